"""The users of a request, and their avatars."""

__all__ = ["subject_cache"]
