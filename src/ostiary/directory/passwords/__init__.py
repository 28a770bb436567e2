"""Passwords: how they are hashed, kept and set."""
