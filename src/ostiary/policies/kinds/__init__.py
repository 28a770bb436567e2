"""The kinds of policies. Each has its own file."""

__all__ = ["password"]
