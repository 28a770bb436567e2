"""The authorization request and the authorization response."""

__all__ = ["claims_request", "pkce", "redirect", "request", "request_object", "request_uri", "response"]
