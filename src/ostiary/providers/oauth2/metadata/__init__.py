"""Metadata of the authorization server: discovery, JWKS, WebFinger."""
