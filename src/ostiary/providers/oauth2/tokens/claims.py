"""The subject identifier, and the claims of ID and access tokens (OpenID Connect Core 2, 3.1.3.6)."""

from __future__ import annotations

import hashlib
import os
import string
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.proto.jose import base64url_encode
from ostiary.proto.oauth2.authorization.redirect import sectors

if TYPE_CHECKING:
    from ostiary.directory.user import Subject, User
    from ostiary.grants.family import Authorization
    from ostiary.providers.oauth2.provider.client import Client

ACR: Final = "goauthentik.io/providers/oauth2/default"
"""The class of every sign-in (OpenID Connect Core 2, acr)."""
MFA: Final = "https://refeds.org/profile/mfa"
"""The class of a sign-in with several factors of different kinds (REFEDS MFA Profile)."""

_SECOND: Final = 1_000_000
_ALPHABET: Final = (string.ascii_letters + string.digits).encode()
_LETTERS: Final = bytes(_ALPHABET[octet % len(_ALPHABET)] for octet in range(256))
_PROTECTED: Final = frozenset(
    {
        *("iss", "aud", "exp", "iat", "nbf", "jti", "nonce", "auth_time", "at_hash", "c_hash", "s_hash", "sid", "azp"),
        *("uid", "cnf", "client_id", "active", "token_type", "username", "act", "may_act", "events"),
    }
)
_HASHES: Final = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


def sub_claim(subject: Subject, client: Client, *, salt: str) -> str:
    """Return `sub` in the client's sub_mode. `salt` is the install id, a secret of the installation."""
    user, provider = subject.user, client.provider
    if provider.sub_mode == "pairwise":
        hosts = sectors(uri.url for uri in provider.redirect_uris)
        return pairwise(next(iter(hosts), provider.client_id), subject.uid, salt=salt)
    compute = _SUBJECTS.get(provider.sub_mode)
    return (None if compute is None else compute(user)) or subject.uid


def _upn(user: User) -> str | None:
    upn = user.attributes.get("upn")
    return upn if isinstance(upn, str) else None


_SUBJECTS: Final[Mapping[str, Callable[[User], str | None]]] = {
    "user_id": lambda user: str(user.pk),
    "user_uuid": lambda user: user.uuid,
    "user_username": lambda user: user.username,
    "user_email": lambda user: user.email,
    "user_upn": _upn,
}


def pairwise(sector: str, uid: str, *, salt: str) -> str:
    """Return the pairwise subject of one sector (OpenID Connect Core 8.1): hex SHA-256.

    Each part is prefixed by its length, so that different triples give different octets.
    """
    parts = [part.encode() for part in (sector, uid, salt)]
    return hashlib.sha256(b"".join(b"%d:%s" % (len(part), part) for part in parts)).hexdigest()


def session_id(key: bytes) -> str:
    """Return the `sid` of a session for clients. It does not reveal the stored key."""
    return hashlib.sha256(key.hex().encode()).hexdigest()


def protocol_claims(authorization: Authorization, *, issuer: str, expires: int, now: int) -> dict[str, object]:
    """Return the claims shared by ID and access tokens, without audience and `jti`. Times in microseconds UTC."""
    claims: dict[str, object] = {
        "iss": issuer,
        "sub": authorization.sub,
        "exp": expires // _SECOND,
        "iat": now // _SECOND,
        "auth_time": authorization.auth_time // _SECOND,
        "acr": authorization.acr or ACR,
    }
    if authorization.amr:
        claims["amr"] = list(authorization.amr)
    if authorization.sid is not None:
        claims["sid"] = authorization.sid
    return claims


def add_claims(into: dict[str, object], claims: Mapping[str, object]) -> None:
    """Add the claims of scopes. They cannot override claims of the protocol, except `sub`, `acr` and `amr`."""
    if claims:
        into.update((name, value) for name, value in claims.items() if name not in _PROTECTED)


def audience(resources: Sequence[str], otherwise: str) -> str | list[str]:
    """Return `aud`: a text for one, a list for several (RFC 7519 4.1.3)."""
    if not resources:
        return otherwise
    return resources[0] if len(resources) == 1 else list(resources)


def random_text() -> str:
    """Return 40 random letters and digits."""
    return os.urandom(40).translate(_LETTERS).decode("ascii")


def half_hash(value: str, algorithm: str) -> str:
    """Return at_hash, c_hash or s_hash (Core 3.1.3.6, 3.3.2.11): the left half of the hash the algorithm uses.

    EdDSA with Ed25519 uses SHA-512.
    """
    digest = _HASHES.get(algorithm[2:], hashlib.sha512)(value.encode("utf-8")).digest()
    return base64url_encode(digest[: len(digest) // 2])
