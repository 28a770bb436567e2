"""The mapping of directory objects for the workspace: rows to values, changes to statements."""

__all__ = ["backend", "found"]
