"""The unit of work over configuration and directory: changes, validation, one commit."""

__all__ = ["changes", "commit", "editor"]
