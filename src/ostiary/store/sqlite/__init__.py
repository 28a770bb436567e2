"""The SQLite back end: one file, group commit, readers that do not wait for writers."""

__all__ = ["backup", "database"]
