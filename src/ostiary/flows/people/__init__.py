"""Whom a flow is about."""

__all__ = ["subjects"]
