"""The PostgreSQL back end: one writing connection with group commit, few reading ones."""

__all__ = ["opening"]
