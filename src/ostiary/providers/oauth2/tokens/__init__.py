"""Tokens: authorizations, claims, signing keys, and access token formats."""

__all__ = ["rotation"]
