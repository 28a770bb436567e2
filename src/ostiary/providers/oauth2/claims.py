"""What tokens say: the subject, and the claims of ID and access tokens (OpenID Connect Core 2, 3.1.3.6)."""

from __future__ import annotations

import hashlib
import secrets
import string
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary.proto.jose import base64url_encode

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.grants.family import Authorization
    from ostiary.providers.oauth2.client import Client

ACR: Final = "goauthentik.io/providers/oauth2/default"

_SECOND: Final = 1_000_000
_ALPHABET: Final = string.ascii_letters + string.digits
_PROTECTED: Final = frozenset(
    {"iss", "aud", "exp", "iat", "nbf", "jti", "nonce", "auth_time", "at_hash", "c_hash", "sid", "azp", "uid"}
)
_HASHES: Final = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


def subject_of(subject: Subject, mode: str) -> str:
    """Return `sub` in a provider's sub_mode."""
    user = subject.user
    match mode:
        case "user_id":
            return str(user.pk)
        case "user_uuid":
            return user.uuid
        case "user_username":
            return user.username
        case "user_email":
            return user.email
        case "user_upn":
            upn = user.attributes.get("upn")
            return upn if isinstance(upn, str) and upn else subject.uid
        case _:
            return subject.uid


def session_id(key: bytes) -> str:
    """Return the `sid` clients know a session by: nobody comes back from it to the stored key."""
    return hashlib.sha256(key.hex().encode()).hexdigest()


def identity_claims(
    client: Client,
    authorization: Authorization,
    *,
    issuer: str,
    claims: Mapping[str, object],
    now: int,
) -> dict[str, object]:
    """Return what ID and access token share. `claims` are those of the scopes; they never touch the protocol's."""
    made: dict[str, object] = {
        "iss": issuer,
        "sub": authorization.sub,
        "aud": client.provider.client_id,
        "exp": (now + client.access_lifetime) // _SECOND,
        "iat": now // _SECOND,
        "auth_time": authorization.auth_time // _SECOND,
        "acr": ACR,
    }
    if authorization.amr:
        made["amr"] = list(authorization.amr)
    if authorization.sid is not None:
        made["sid"] = authorization.sid
    made["jti"] = random_text()
    made.update((name, value) for name, value in claims.items() if name not in _PROTECTED)
    return made


def random_text() -> str:
    """Return 40 random letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(40))


def half_hash(value: str, algorithm: str) -> str:
    """Return at_hash (Core 3.1.3.6): the left half of the hash that the signature's algorithm uses."""
    digest = _HASHES.get(algorithm[2:], hashlib.sha512)(value.encode("ascii")).digest()
    return base64url_encode(digest[: len(digest) // 2])
