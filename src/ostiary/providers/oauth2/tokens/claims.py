"""What tokens say: the subject, and the claims of ID and access tokens (OpenID Connect Core 2, 3.1.3.6)."""

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


def subject_of(subject: Subject, client: Client, *, salt: str) -> str:
    """Return `sub` in the client's sub_mode. `salt` is the installation's own secret, its install id."""
    user, provider = subject.user, client.provider
    if provider.sub_mode == "pairwise":
        hosts = sectors(uri.url for uri in provider.redirect_uris)
        return pairwise(next(iter(hosts), provider.client_id), subject.uid, salt=salt)
    found = _SUBJECTS.get(provider.sub_mode)
    return (None if found is None else found(user)) or subject.uid


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
    """Return the subject that only the clients of one sector know (OpenID Connect Core 8.1): hex SHA-256.

    The length of each part stands before it, so that no two triples make the same octets.
    """
    parts = [part.encode() for part in (sector, uid, salt)]
    return hashlib.sha256(b"".join(b"%d:%s" % (len(part), part) for part in parts)).hexdigest()


def session_id(key: bytes) -> str:
    """Return the `sid` clients know a session by: nobody comes back from it to the stored key."""
    return hashlib.sha256(key.hex().encode()).hexdigest()


def protocol_claims(authorization: Authorization, *, issuer: str, expires: int, now: int) -> dict[str, object]:
    """Return what ID and access token share, without their audience and `jti`. Times in microseconds UTC."""
    made: dict[str, object] = {
        "iss": issuer,
        "sub": authorization.sub,
        "exp": expires // _SECOND,
        "iat": now // _SECOND,
        "auth_time": authorization.auth_time // _SECOND,
        "acr": authorization.acr or ACR,
    }
    if authorization.amr:
        made["amr"] = list(authorization.amr)
    if authorization.sid is not None:
        made["sid"] = authorization.sid
    return made


def add_claims(into: dict[str, object], claims: Mapping[str, object]) -> None:
    """Put the claims of scopes beside those of the protocol, which they never touch; `sub`, acr and amr they may."""
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
