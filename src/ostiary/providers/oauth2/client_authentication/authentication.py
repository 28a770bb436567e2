"""Client authentication (RFC 6749 2.3, RFC 7523, RFC 8705). All failures look alike.

`authenticate` is for every endpoint that programs call. The token endpoint uses its two halves, because some grants
authenticate a user in place of the client: `present` identifies the client, `prove` verifies its credentials.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.proto.jose import JoseError, VerifyingKey, secret_keys
from ostiary.proto.jose.jwks import verifying_keys
from ostiary.proto.oauth2.clients.assertion import verify_assertion
from ostiary.proto.oauth2.clients.authentication import ClientClaim, parse_client
from ostiary.proto.oauth2.clients.statement import BadStatement, read_statement
from ostiary.proto.oauth2.errors import INVALID_CLIENT, OAuthError
from ostiary.providers.oauth2.client_authentication.mtls import authorities_of, certificate_of, verify_certificate
from ostiary.providers.oauth2.provider.client import Client, client_by_id
from ostiary.record import dataclass
from ostiary.seal import Secret
from ostiary.store.hashing import token_hash
from ostiary.store.single_use import Purpose, first
from ostiary.store.workspace.commit import write_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ostiary.proto.oauth2.parameters import Parameters
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.web.request import Request

TOKEN_PATH: Final = "/application/o/token/"  # noqa: S105 - a path
PAR_PATH: Final = "/application/o/par/"
BY_SECRET: Final = frozenset({"secret", "client_secret_basic", "client_secret_post"})
"""The methods of clients that send their secret itself."""

_ASSERTION: Final[Purpose[object]] = Purpose("oauth2.assertion")
_NOBODY: Final = Secret("0" * 128)  # compared with for an unknown client, in the same time


@dataclass(frozen=True, slots=True)
class Presented:
    """An identified client and the credentials it sent."""

    client: Client
    claim: ClientClaim


async def authenticate(
    request: Request, parameters: Parameters, services: OAuth2Services, *, always: bool = False
) -> Client:
    """Return the authenticated client; a public one is identified only, unless `always`.

    Raises OAuthError (invalid_client, invalid_request).
    """
    presented = present(request, parameters, services)
    await prove(presented, request, services, always=always)
    return presented.client


def present(request: Request, parameters: Parameters, services: OAuth2Services) -> Presented:
    """Identify the client of a request, without verification. Raises OAuthError (invalid_client, invalid_request)."""
    claim = parse_client(request.headers.get("authorization"), parameters)
    snapshot = services.plane.snapshot
    candidates = (client_by_id(snapshot, name) for name in claim.names or (claim.client_id,))
    client = next((one for one in candidates if one is not None), None)
    if client is None:
        _NOBODY.matches(claim.secret or "")
        error = OAuthError(INVALID_CLIENT, "no such client, or it has no application")
        error.client_id = claim.client_id
        raise error
    return Presented(client, claim)


async def prove(presented: Presented, request: Request, services: OAuth2Services, *, always: bool = False) -> None:
    """Verify the credentials of a client by its one configured method. Raises OAuthError (invalid_client)."""
    if presented.client.public and not always:
        return
    try:
        await _prove(presented, request, services)
    except OAuthError as error:
        error.client_id = presented.client.provider.client_id
        raise


async def _prove(presented: Presented, request: Request, services: OAuth2Services) -> None:
    client, claim = presented.client, presented.claim
    match client.provider.token_endpoint_auth_method:
        case "client_secret_jwt" | "private_key_jwt":
            await _prove_by_assertion(client, claim, request, services)
        case "tls_client_auth" | "self_signed_tls_client_auth":
            sent, authorities = certificate_of(request, services), authorities_of(request, services)
            verify_certificate(client.provider, sent, authorities=authorities, now=services.clock())
        case method:
            _verify_secret(client, claim, method)


def has_secret(presented: Presented) -> bool:
    """Return whether the client sent its secret, by its configured method."""
    try:
        _verify_secret(presented.client, presented.claim, presented.client.provider.token_endpoint_auth_method)
    except OAuthError:
        return False
    return True


def _verify_secret(client: Client, claim: ClientClaim, method: str) -> None:
    expected = client.provider.client_secret
    # Every reading is compared, also after a match, in constant time.
    readings = claim.secrets or (claim.secret or "",)
    same = sum(expected.matches(one) for one in readings) > 0 and bool(expected)
    if not same:
        raise OAuthError(INVALID_CLIENT, "wrong client secret" if claim.secret is not None else "no client secret")
    if method not in {"secret", claim.method}:
        raise OAuthError(INVALID_CLIENT, f"the client has to use {method}")


async def _prove_by_assertion(client: Client, claim: ClientClaim, request: Request, services: OAuth2Services) -> None:
    """Verify a client assertion (RFC 7523 3): signed by the client, about itself, for us, not expired, never used."""
    if claim.assertion is None:
        raise OAuthError(INVALID_CLIENT, "no client_assertion was sent")
    audiences = _audiences(client, request)
    now, client_id = services.clock(), client.provider.client_id
    try:
        statement = read_statement(claim.assertion, _assertion_keys(client))
        assertion = verify_assertion(statement, client_id=client_id, audiences=audiences, now=now)
    except (BadStatement, JoseError) as error:
        raise OAuthError(INVALID_CLIENT, f"client_assertion: {error}") from error
    hashed = token_hash(f"{client.pk}:{assertion.jti}")
    # In a transaction of its own: the assertion is consumed even if the request fails.
    await write_all(services.database, [first(_ASSERTION, hashed, expires=assertion.expires, error=_replayed)])


def _audiences(client: Client, request: Request) -> tuple[str, ...]:
    """Return what an assertion may name: the issuer, the token endpoint (RFC 7523 3) or, there, PAR (RFC 9126 2).

    A client whose tokens must be bound to a key names the issuer alone, as FAPI 2.0 wants (5.3.2.1). A profile of the
    provider will ask for that as well.
    """
    base = request.base_url
    issuer, provider = client.issuer(base), client.provider
    # guard: A14 a client that must bind tokens uses the issuer as audience
    if provider.dpop == "required" or provider.tls_client_certificate_bound_access_tokens:
        return (issuer,)
    own = (f"{base}{PAR_PATH}",) if request.path == PAR_PATH else ()
    return issuer, f"{base}{TOKEN_PATH}", *own


def _assertion_keys(client: Client) -> Sequence[VerifyingKey]:
    """Return the keys of the client's one method: what a token says of its algorithm never chooses the kind of key."""
    provider = client.provider
    if provider.token_endpoint_auth_method == "client_secret_jwt":  # noqa: S105 - the name of a method
        return secret_keys(provider.client_secret.reveal().encode()) if provider.client_secret else ()
    # guard: A14 the client's method decides the key type, not the token
    return verifying_keys(provider.jwks)


def _replayed() -> OAuthError:
    return OAuthError(INVALID_CLIENT, "client_assertion: its jti was used before")
