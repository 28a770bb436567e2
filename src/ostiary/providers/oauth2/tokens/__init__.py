"""Tokens: what a person allowed, the claims, the keys that sign, and how an access token looks."""
