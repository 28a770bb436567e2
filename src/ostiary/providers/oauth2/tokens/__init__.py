"""Tokens: authorizations, claims, signing keys, and access token formats."""
