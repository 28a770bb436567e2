"""Passwords: hashing, verification, storage."""
