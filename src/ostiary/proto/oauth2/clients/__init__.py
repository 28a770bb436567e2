"""Client authentication and proof of possession."""

__all__ = ["assertion", "authentication", "certificate_header", "dpop", "statement"]
