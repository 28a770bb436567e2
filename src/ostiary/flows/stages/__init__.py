"""The stages, one file for each kind: its definition and its behaviour. They never import each other."""

__all__ = ["consent", "deny", "identification"]
