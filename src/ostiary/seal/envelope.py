"""Envelope encryption of secrets at rest: random data keys, wrapped by a key derived from the secret key.

A sealed text is "s1.KEYID.WRAPPED.BODY". KEYID (16 hex digits) names the wrapping key, WRAPPED is the data key under
AES-256-GCM, BODY the content under the data key; both carry their 96-bit nonce in front, as base64url without padding.
The wrapping key is HKDF-SHA256 (RFC 5869) of the secret key. The context (kind, object and field) is additional
authenticated data: a sealed text that was moved to another field does not decrypt. `rewrap` replaces the wrapping key
and leaves the content encrypted.
"""

from __future__ import annotations

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ostiary.seal.secret import Secret

VERSION: Final = "s1"
_NONCE: Final = 12
_KEY: Final = 32
_SEALS_PER_KEY: Final = 2**20  # far below the 2^32 random nonces GCM allows for one key
_CACHED_KEYS: Final = 4096
_CANARY: Final = b"the canary sings"
_CANARY_CONTEXT: Final = "ostiary/canary"


class SealError(Exception):
    """The root of this room's errors."""


class WrongKey(SealError):
    """The text was sealed with an unknown secret key: neither the current one nor a configured previous one."""


class Tampered(SealError):
    """The text was changed, truncated, or moved to another object or field."""


class Sealer:
    """Encrypts with the current secret key, and decrypts with it or one of the previous ones."""

    def __init__(self, secret_key: Secret, previous: Sequence[Secret] = ()) -> None:
        """Derive the wrapping keys. Raises ValueError when the secret key is empty."""
        if not secret_key:
            message = "the secret key is empty"
            raise ValueError(message)
        self.key_id = _derive_id(secret_key)
        self._wrapping = {_derive_id(key): AESGCM(_derive(key, "wrap", _KEY)) for key in (*previous, secret_key)}
        self._data_keys: dict[str, AESGCM] = {}
        self._current = ""
        self._seals_left = 0

    def seal(self, plain: bytes, *, context: str) -> str:
        """Return the sealed text of `plain`, bound to `context`."""
        if self._seals_left == 0:
            self._renew()
        self._seals_left -= 1
        return f"{self._current}.{_encrypt(self._data_keys[self._current], plain, context)}"

    def open(self, sealed: str, *, context: str) -> bytes:
        """Return the decrypted content. Raises WrongKey and Tampered."""
        head, _, body = sealed.rpartition(".")
        return _decrypt(self._data_key(head), body, context)

    def rewrap(self, sealed: str) -> str:
        """Return the text wrapped with the current secret key. The content is not decrypted.

        Raises WrongKey and Tampered.
        """
        head, _, body = sealed.rpartition(".")
        key_id, wrapped = self._split(head)
        if key_id == self.key_id:
            return sealed
        key = _decrypt(self._wrapping[key_id], wrapped, f"{VERSION}.{key_id}")
        return f"{self._wrap(key)}.{body}"

    def canary(self) -> str:
        """Return a sealed text to store with the data. `verify_canary` tests the secret key with it later."""
        return self.seal(_CANARY, context=_CANARY_CONTEXT)

    def verify_canary(self, sealed: str) -> None:
        """Verify that the secret key decrypts the canary. Raises WrongKey and Tampered."""
        if self.open(sealed, context=_CANARY_CONTEXT) != _CANARY:
            raise Tampered("the canary has an unexpected content")

    def _renew(self) -> None:
        key = AESGCM.generate_key(8 * _KEY)
        head = self._wrap(key)
        self._remember(head, AESGCM(key))
        self._current, self._seals_left = head, _SEALS_PER_KEY

    def _wrap(self, key: bytes) -> str:
        head = f"{VERSION}.{self.key_id}"
        return f"{head}.{_encrypt(self._wrapping[self.key_id], key, head)}"

    def _data_key(self, head: str) -> AESGCM:
        cached = self._data_keys.get(head)
        if cached is not None:
            return cached
        key_id, wrapped = self._split(head)
        key = AESGCM(_decrypt(self._wrapping[key_id], wrapped, f"{VERSION}.{key_id}"))
        self._remember(head, key)
        return key

    def _remember(self, head: str, key: AESGCM) -> None:
        if len(self._data_keys) >= _CACHED_KEYS:
            self._data_keys = {name: old for name, old in self._data_keys.items() if name == self._current}
        self._data_keys[head] = key

    def _split(self, head: str) -> tuple[str, str]:
        version, _, tail = head.partition(".")
        key_id, _, wrapped = tail.partition(".")
        if version != VERSION or not wrapped:
            raise Tampered("this is not a sealed text")
        if key_id not in self._wrapping:
            raise WrongKey(f"sealed with the secret key {key_id}, the current one is {self.key_id}")
        return key_id, wrapped


def _derive(secret_key: Secret, purpose: str, length: int) -> bytes:
    kdf = HKDF(algorithm=SHA256(), length=length, salt=None, info=f"ostiary/seal/{purpose}/1".encode())
    return kdf.derive(secret_key.reveal().encode())


def _derive_id(secret_key: Secret) -> str:
    return _derive(secret_key, "id", 8).hex()


def _encrypt(key: AESGCM, plain: bytes, context: str) -> str:
    nonce = os.urandom(_NONCE)
    return _text(nonce + key.encrypt(nonce, plain, context.encode()))


def _decrypt(key: AESGCM, text: str, context: str) -> bytes:
    raw = _raw(text)
    try:
        return key.decrypt(raw[:_NONCE], raw[_NONCE:], context.encode())
    except (InvalidTag, ValueError) as error:
        raise Tampered("the sealed text was changed or moved") from error


def _raw(text: str) -> bytes:
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (NotBase64, UnicodeEncodeError) as error:
        raise Tampered("the sealed text was changed: it is not base64") from error
    if _text(raw) != text:  # Python ignores characters outside the alphabet
        raise Tampered("the sealed text was changed: it is not canonical base64")
    return raw


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
