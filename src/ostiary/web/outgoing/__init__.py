"""Outgoing HTTP requests: posting forms, and fetching documents."""
