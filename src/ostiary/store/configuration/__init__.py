"""The configuration plane: documents, edges, revisions, and the snapshot in memory."""
