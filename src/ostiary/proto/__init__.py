"""Protocols, each module named after its specification: bytes in, values out.

Owns no state and serves no paths. Does no I/O and knows no room of the program.
"""

__all__ = ["authority", "duration", "jose", "oauth2", "otlp", "totp", "trace_context", "webauthn"]
