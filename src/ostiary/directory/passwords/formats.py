"""The formats of password hashes: Django's "algorithm$...", so that hashes can be imported and exported.

New hashes are argon2id with 19 MiB, two passes and one lane. All functions are CPU-bound: call them in the pool.
The parameters of imported hashes are limited, so that no hash can exhaust the machine.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Final

TIME_COST: Final = 2
MEMORY_COST: Final = 19_456  # KiB
PARALLELISM: Final = 1
_HASH_BYTES: Final = 32
_SALT_BYTES: Final = 16

_PREFIX: Final = "argon2"  # followed by "$"
_CURRENT: Final = f"argon2$argon2id$v=19$m={MEMORY_COST},t={TIME_COST},p={PARALLELISM}$"
_ARGON2: Final = re.compile(r"\$argon2(id|i|d)\$v=(\d+)\$m=(\d+),t=(\d+),p=(\d+)\$")
_MAX_ITERATIONS: Final = 10_000_000
_MAX_MEMORY: Final = 1_048_576  # KiB
_MAX_PASSES: Final = 64
_MAX_LANES: Final = 64
_MAX_SCRYPT_MEMORY: Final = 268_435_456  # bytes
_NO_MEMORY: Final = "Memory allocation error"  # of argon2's ARGON2_MEMORY_ALLOCATION_ERROR
_BCRYPT_BYTES: Final = 72  # bcrypt ignores the rest
_MAX_BCRYPT_COST: Final = 16


def is_current(stored: str) -> bool:
    """Return whether a hash has the current algorithm and parameters."""
    return stored.startswith(_CURRENT)


def make(text: str, salt: bytes) -> str:
    """Return the hash of a password. `salt` are 16 random bytes. Raises MemoryError."""
    from argon2.exceptions import HashingError  # noqa: PLC0415 - loaded on first use
    from argon2.low_level import Type, hash_secret  # noqa: PLC0415 - as above

    try:
        encoded = hash_secret(
            text.encode("utf-8", "surrogatepass"),
            salt,
            time_cost=TIME_COST,
            memory_cost=MEMORY_COST,
            parallelism=PARALLELISM,
            hash_len=_HASH_BYTES,
            type=Type.ID,
        )
    except HashingError as error:
        raise MemoryError(str(error)) from error  # the parameters are ours: nothing else can fail
    return _PREFIX + encoded.decode("ascii")


def is_match(text: str, stored: str) -> bool:
    """Return whether a password matches a hash. A hash of an unknown format matches no password. Raises MemoryError."""
    algorithm, _, rest = stored.partition("$")
    verify = _VERIFIERS.get(algorithm)
    try:
        return verify is not None and verify(text.encode("utf-8", "surrogatepass"), rest)
    except (ValueError, TypeError, LookupError, OverflowError):
        return False


def _argon2(text: bytes, rest: str) -> bool:
    from argon2.exceptions import Argon2Error, InvalidHashError, VerificationError  # noqa: PLC0415 - loaded on first use
    from argon2.low_level import Type, verify_secret  # noqa: PLC0415 - loaded on first use

    header = _ARGON2.match("$" + rest.removeprefix("$"))
    if header is None:
        return False
    memory, passes, lanes = int(header[3]), int(header[4]), int(header[5])
    if memory > _MAX_MEMORY or passes > _MAX_PASSES or lanes > _MAX_LANES:
        return False
    kind = {"id": Type.ID, "i": Type.I, "d": Type.D}[header[1]]
    try:
        return bool(verify_secret(("$" + rest.removeprefix("$")).encode("ascii"), text, kind))
    except VerificationError as error:
        if str(error) == _NO_MEMORY:  # that does not make the password a wrong one
            raise MemoryError(_NO_MEMORY) from error
        return False
    except (Argon2Error, InvalidHashError):
        return False


def _pbkdf2(digest: str) -> Callable[[bytes, str], bool]:
    def verify(text: bytes, rest: str) -> bool:
        iterations, salt, expected = rest.split("$")
        if not 0 < int(iterations) <= _MAX_ITERATIONS:
            return False
        computed = hashlib.pbkdf2_hmac(digest, text, salt.encode(), int(iterations))
        return hmac.compare_digest(base64.b64encode(computed), expected.encode())

    return verify


def _bcrypt(text: bytes, rest: str) -> bool:
    import bcrypt  # noqa: PLC0415 - loaded on first use

    cost = rest.lstrip("$").split("$")[1]
    if int(cost) > _MAX_BCRYPT_COST or b"\0" in text:
        return False
    return bcrypt.checkpw(text[:_BCRYPT_BYTES], ("$" + rest.lstrip("$")).encode("ascii"))


def _bcrypt_sha256(text: bytes, rest: str) -> bool:
    return _bcrypt(hashlib.sha256(text).hexdigest().encode(), rest)


def _scrypt(text: bytes, rest: str) -> bool:
    work, salt, block, lanes, expected = rest.split("$")
    n, r, p = int(work), int(block), int(lanes)
    if n * r * 128 * max(p, 1) > _MAX_SCRYPT_MEMORY:
        return False
    computed = hashlib.scrypt(text, salt=salt.encode(), n=n, r=r, p=p, maxmem=2 * _MAX_SCRYPT_MEMORY, dklen=64)
    return hmac.compare_digest(base64.b64encode(computed), expected.encode())


_VERIFIERS: Final[Mapping[str, Callable[[bytes, str], bool]]] = {
    "argon2": _argon2,
    "pbkdf2_sha256": _pbkdf2("sha256"),
    "pbkdf2_sha1": _pbkdf2("sha1"),
    "bcrypt": _bcrypt,
    "bcrypt_sha256": _bcrypt_sha256,
    "scrypt": _scrypt,
}
