"""Directory objects as the workspace sees them: rows to values, changes to statements."""

__all__ = ["backend"]
