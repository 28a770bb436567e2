"""The kinds of policies: a file for each, which evaluates itself."""

__all__ = ["password"]
