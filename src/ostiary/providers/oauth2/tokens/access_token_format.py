"""The formats of access tokens: authentik's JWT, the JWT of RFC 9068, and opaque; encrypted if configured.

In every format the token is looked up by its hash. Claims that the token itself does not carry are
stored in its row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final, cast

from ostiary.proto.jose import base64url_decode, sign
from ostiary.proto.oauth2.scope import OPENID
from ostiary.providers.oauth2.tokens.claims import add_claims, audience, random_text
from ostiary.record import dataclass
from ostiary.resource import codec
from ostiary.store.hashing import new_token

if TYPE_CHECKING:
    from ostiary.grants.access_tokens import AccessToken
    from ostiary.providers.oauth2.provider.client import Client

_OPAQUE_BITS: Final = 256
_OPAQUE_LENGTH: Final = 43  # characters of base64url
_CLAIMS: Final = "claims"
_USERINFO: Final = "userinfo"


@dataclass(frozen=True, slots=True)
class Form:
    """The claims of a token before serialization. `typ` is that of its header."""

    payload: Mapping[str, object]
    typ: str
    signed: bool
    readable: bool  # by us, from the text alone

    def text(self, client: Client) -> str:
        """Return the serialized token."""
        if not self.signed:
            return new_token(_OPAQUE_BITS)
        token = sign(codec.encode(self.payload), client.key, typ=self.typ)
        recipient = client.keys.everybody
        return token if recipient is None else recipient.encrypt(token.encode("ascii"))


def make_access(
    client: Client,
    protocol: Mapping[str, object],
    *,
    claims: Mapping[str, object],
    scope: tuple[str, ...],
    nonce: str | None,
    confirmation: Mapping[str, str],
    resources: tuple[str, ...],
) -> Form:
    """Return the claims of an access token in the provider's format. `protocol` are those shared with the ID token."""
    kind, own = client.provider.access_token_format, client.provider.client_id
    payload = dict(protocol)
    named = (*resources, cast("str", protocol["iss"])) if resources and OPENID in scope else resources
    payload["jti"] = random_text()
    add_claims(payload, claims)
    payload["scope"] = claims["scope"] if "scope" in claims else " ".join(scope)
    if kind == "jwt":
        payload |= {"aud": audience(named, own), "azp": own, "uid": random_text()}
        if nonce is not None:
            payload["nonce"] = nonce
    else:
        # RFC 9068 2.2 and 3: without a named resource the audience is the one that is always there, this server.
        payload |= {"aud": audience(named, cast("str", protocol["iss"])), "client_id": own}
    if confirmation:
        payload["cnf"] = dict(confirmation)
    signed = kind != "opaque"
    typ = "at+jwt" if kind == "rfc9068" else "JWT"
    return Form(payload, typ, signed=signed, readable=signed and client.keys.everybody is None)


def row_body(form: Form, requested: Collection[str]) -> Mapping[str, object]:
    """Return the stored members of a token. `asked` are the individual claims requested of userinfo (Core 5.5)."""
    members: dict[str, object] = {}
    if not form.readable:
        members[_CLAIMS] = form.payload
    if requested:
        members[_USERINFO] = sorted(requested)
    return members


def payload_of(token: str, row: AccessToken) -> Mapping[str, object]:
    """Return the claims of an access token. Its hash was found, so its signature need not be verified."""
    stored = row.body.get(_CLAIMS)
    if stored is not None:
        return cast("Mapping[str, object]", stored)
    return cast("Mapping[str, object]", codec.decode(base64url_decode(token.split(".")[1])))


def is_meant_here(token: str, row: AccessToken) -> bool:
    """Return whether an access token is meant for this server, and not for another resource (RFC 8707).

    Without a named resource the audience is the client, as in authentik, or this server (see `make_access`).
    """
    claims = payload_of(token, row)
    named = claims.get("aud")
    return any(one in (claims.get("iss"), claims.get("azp")) for one in (named if isinstance(named, list) else [named]))


def asked_of(row: AccessToken) -> frozenset[str]:
    """Return the individual claims for userinfo, beside those of the scopes."""
    return frozenset(cast("Collection[str]", row.body.get(_USERINFO, ())))


def may_be_access(token: str) -> bool:
    """Tell by its form whether a text may be an access token, or can only be a refresh token."""
    return "." in token or len(token) == _OPAQUE_LENGTH
