"""Outgoing HTTP requests: posting forms, and fetching documents."""

__all__ = ["documents", "requests"]
