"""Trusted issuers: other identity providers that are configured here, and the keys that verify their tokens.

Owns the family of sources, the kind `authentik_sources_oauth.oauthsource`, and the cache of issuers' keys. Serves no
paths. Must not know providers, which verify tokens with these keys, nor the sign-in through a source: it needs flows,
so that each kind of source gets a room `sources.*`.
"""

__all__ = ["issuer_keys", "oauth_source", "room"]
