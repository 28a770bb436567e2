"""Sources: others whose people and programs are known here.

Owns the kind `authentik_sources_oauth.oauthsource`, as far as its configuration and its keys go, and reads the keys of
issuers. Serves no paths: sign-in through a source is a later step. Must not know providers, which use its keys.
"""

__all__ = ["issuer_keys", "resources", "room"]
