"""Passwords: hashing, verification, storage."""

__all__ = ["credentials", "hash_queue", "pool"]
