"""OAuth2 and OpenID Connect for applications.

Owns the kind `authentik_providers_oauth2.oauth2provider`. Serves /application/o/... and
/.well-known/oauth-authorization-server/application/o/{slug}/. Must not know pages, API v3 or other protocols.
"""

__all__ = ["room", "tokens"]
