"""OAuth 2.0 and OpenID Connect: parsers and builders of requests and responses. Nothing is stored or sent.

Modules: `parameters` and `scope` (RFC 6749 3, 3.3), `redirect` (3.1.2), `authorize` (4.1, OpenID Connect Core 3.1.2),
`pkce` (RFC 7636), `client_auth` (2.3), `token` (4.1.3, 6), `bearer` (RFC 6750), `discovery` (RFC 8414), `errors`.
"""

__all__ = [
    "authorization",
    "bearer",
    "clients",
    "device_authorization",
    "errors",
    "parameters",
    "provider_metadata",
    "scope",
    "token",
]
