"""Break-glass codes: printed once, kept in a safe, and each of them lets an administrator in when nothing else does."""

__all__ = ["codes", "entry"]
