"""Passwords: hashing, verification and storage."""

__all__ = ["credentials", "hash_queue", "pool"]
