"""Logout: the internal stages at the end of a logout flow, and their pages."""

__all__ = ["session_end"]
