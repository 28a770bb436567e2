"""Trust: issuers elsewhere that are configured here, and the keys with which their tokens are verified.

Owns the family of sources, the kind `authentik_sources_oauth.oauthsource`, and the cache of issuers' keys. Serves no
paths. Must not know providers, which verify tokens with these keys, nor how people sign in through a source: that needs
flows, and each source's sign-in is a room of its own, `sources.*`.
"""

__all__ = ["issuer_keys", "oauth_source", "room"]
