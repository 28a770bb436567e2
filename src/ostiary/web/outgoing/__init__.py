"""Outgoing HTTP requests: forms and JSON documents."""

__all__ = ["documents", "exchange", "requests"]
