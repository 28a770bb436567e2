"""Listening: the connections of clients, their bounds, and TLS."""
