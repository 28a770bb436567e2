"""The authorization request and its response: parsed, compared and built."""

__all__ = ["claims_request", "pkce", "redirect", "request", "request_object", "request_uri", "response"]
