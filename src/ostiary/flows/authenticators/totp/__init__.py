"""An authenticator app (RFC 6238)."""
