"""The end of a session, asked for by a person or an application."""

__all__ = ["logout"]
