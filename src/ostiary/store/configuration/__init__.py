"""The configuration plane: documents, edges, revisions, and the snapshot in memory."""

__all__ = ["documents", "plane", "revisions", "snapshot"]
