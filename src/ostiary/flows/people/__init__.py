"""Whom a flow is about."""

__all__ = ["subject_cache"]
