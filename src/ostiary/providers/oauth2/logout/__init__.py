"""The three kinds of logout, and session management."""

__all__ = ["session_management"]
