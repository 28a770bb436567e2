"""The authorization request and its response: parsed, compared and built."""

__all__ = ["claims_request", "pkce", "pushed", "redirect", "request", "request_object", "response"]
