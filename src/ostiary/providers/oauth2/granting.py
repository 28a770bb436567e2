"""The grants of the token endpoint. Each is one function: it says what was granted, and how the tokens are stored.

What is not its to decide, the client, the person, the policies and the signing, stays with the endpoint.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from ostiary.grants.code import Code, consume_code
from ostiary.grants.refresh import RefreshToken, Use, begin, find_refresh, keep, revoke_family, rotate
from ostiary.proto.oauth2.errors import INVALID_GRANT, UNSUPPORTED_GRANT_TYPE, OAuthError
from ostiary.proto.oauth2.pkce import Challenge, Method, check_verifier
from ostiary.proto.oauth2.scope import narrow_scope
from ostiary.proto.oauth2.token import parse_code_request, parse_refresh_request
from ostiary.providers.oauth2.events import suspicious
from ostiary.store.commit import run
from ostiary.store.hashing import token_hash
from ostiary.store.single_use import Fresh, Replayed

if TYPE_CHECKING:
    from ostiary.grants.family import Authorization
    from ostiary.proto.oauth2.parameters import Parameters
    from ostiary.providers.oauth2.client import Client
    from ostiary.providers.oauth2.issue import Issued
    from ostiary.providers.oauth2.services import Services
    from ostiary.store.database import Batch
    from ostiary.web.request import Request


_SHOWN: Final = 64  # characters of an unknown name that the log repeats


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant type (RFC 6749 1.3)."""

    name: str
    use: Callable[[Asking], Awaitable[Granted]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A token request of a client that proved to be one."""

    request: Request
    services: Services
    parameters: Parameters
    client: Client
    grant: Grant
    now: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What a grant comes to."""

    authorization: Authorization
    scope: tuple[str, ...]
    rotate: bool  # whether a new refresh token belongs to the answer
    nonce: str | None
    store: Callable[[Issued], Batch[None]]


async def authorization_code(asking: Asking) -> Granted:
    """Use a code (RFC 6749 4.1.3). Raises OAuthError; a replay ends what came of the first use (4.1.2)."""
    asked = parse_code_request(asking.parameters)
    hashed, now = token_hash(asked.code), asking.now
    consumed = await asking.services.database.write(lambda: consume_code(hashed, now=now))
    if isinstance(consumed, Replayed):
        await _end_family(asking, consumed.family, "an authorization code was used twice")
    if not isinstance(consumed, Fresh):
        raise OAuthError(INVALID_GRANT, "unknown or expired code")
    code: Code = consumed.body
    if code.authorization.provider != asking.client.pk:
        raise OAuthError(INVALID_GRANT, "the code was issued to another client")
    if asked.redirect_uri != code.redirect_uri:
        raise OAuthError(INVALID_GRANT, "redirect_uri is not the one the code was sent to")
    check_verifier(_challenge(code), asked.verifier)

    def store(issued: Issued) -> Batch[None]:
        ends = [issued.access.expires] if issued.refresh is None else [issued.access.expires, issued.refresh.expires]
        return begin(code.authorization, access=issued.access, refresh=issued.refresh, expires=max(ends))

    return Granted(
        authorization=code.authorization,
        scope=code.authorization.scope,
        rotate=True,
        nonce=code.authorization.nonce,
        store=store,
    )


async def refresh_token(asking: Asking) -> Granted:
    """Use a refresh token (RFC 6749 6). Raises OAuthError; reuse ends the family (RFC 9700 4.14.2)."""
    asked = parse_refresh_request(asking.parameters)
    found = await find_refresh(asking.services.database, token_hash(asked.token))
    if found is None:
        raise OAuthError(INVALID_GRANT, "unknown refresh token")
    if found.authorization.provider != asking.client.pk:
        raise OAuthError(INVALID_GRANT, "the refresh token was issued to another client")
    use = found.use(asking.now)
    if use is Use.EXPIRED:
        raise OAuthError(INVALID_GRANT, "expired refresh token")
    if use is Use.REUSED:
        await _end_family(asking, found.authorization.family, "a refresh token was used twice")
    turn = use is Use.AGAIN or _is_due(asking.client, found, asking.now)
    scope = narrow_scope(asked.scope, found.authorization.scope)
    return Granted(
        authorization=found.authorization,
        scope=scope,
        rotate=turn,
        nonce=None,  # Core 12.2: it SHOULD NOT be there, even though the first ID token had one
        store=lambda issued: _store_refresh(found, use, issued, asking.now),
    )


GRANTS: Final[Mapping[str, Grant]] = {
    "authorization_code": Grant("authorization_code", authorization_code),
    "refresh_token": Grant("refresh_token", refresh_token),
}


def find_grant(name: str) -> Grant:
    """Return the grant of a grant_type. Raises OAuthError (unsupported_grant_type)."""
    try:
        return GRANTS[name]
    except KeyError:
        raise OAuthError(UNSUPPORTED_GRANT_TYPE, name[:_SHOWN]) from None


def _challenge(code: Code) -> Challenge | None:
    if code.challenge is None:
        return None
    method: Method = "S256" if code.challenge_method == "S256" else "plain"
    return Challenge(code.challenge, method)


def _is_due(client: Client, token: RefreshToken, now: int) -> bool:
    """Tell whether the token is replaced: always, for public clients (RFC 9700 2.2.2) and without a threshold."""
    return client.public or client.refresh_threshold <= 0 or token.expires - now <= client.refresh_threshold


def _store_refresh(token: RefreshToken, use: Use, issued: Issued, now: int) -> Batch[None]:
    if issued.refresh is None:
        return keep(token, access=issued.access)
    return rotate(token, use=use, access=issued.access, refresh=issued.refresh, now=now)


async def _end_family(asking: Asking, family: str | None, message: str) -> NoReturn:
    """End the family, tell the audit log, and answer as to any other bad grant."""
    told = suspicious(asking.client, message, user=None, client_ip=asking.request.client, now=asking.now)

    def batch() -> Batch[None]:
        if family is not None:
            yield from revoke_family(family)
        yield from run([told])

    await asking.services.database.write(batch)
    raise OAuthError(INVALID_GRANT, message)
