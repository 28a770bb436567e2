"""Key derivation: one key per purpose, so that no two rooms share a key."""

from __future__ import annotations

import hmac

from ostiary.seal.secret import Secret


class DerivedKeys:
    """Derives keys of 32 bytes from the secret key (HMAC-SHA-256 over the purpose, as in RFC 5869 2.3)."""

    __slots__ = ("_secret_key",)

    def __init__(self, secret_key: Secret) -> None:
        self._secret_key = secret_key

    def key(self, purpose: str) -> bytes:
        """Return the key for a purpose such as `room/use`. It is the same in every process of the installation."""
        # guard: A49 derived keys are the same in every process
        return hmac.digest(self._secret_key.reveal().encode(), f"ostiary/{purpose}/1".encode(), "sha256")
