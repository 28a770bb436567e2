"""Client authentication (RFC 6749 2.3, 3.2.1): who may speak for a client. All failures look alike outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.proto.oauth2.client_auth import ClientClaim, parse_client
from ostiary.proto.oauth2.errors import INVALID_CLIENT, OAuthError
from ostiary.providers.oauth2.client import Client, client_by_id
from ostiary.seal import Secret

if TYPE_CHECKING:
    from ostiary.proto.oauth2.parameters import Parameters
    from ostiary.store.snapshot import Snapshot
    from ostiary.web.request import Request

_NOBODY: Final = Secret("0" * 128)  # compared with when there is no such client: the same work


def authenticate(request: Request, parameters: Parameters, snapshot: Snapshot, *, always: bool = False) -> Client:
    """Return the client that proved to be one; a public client only names itself, unless `always`.

    Raises OAuthError (invalid_client, invalid_request).
    """
    claim = parse_client(request.headers.get("authorization"), parameters)
    client = client_by_id(snapshot, claim.client_id)
    proved = _matches(client, claim)
    if client is None:
        raise OAuthError(INVALID_CLIENT, "no such client, or it has no application")
    if client.public and not always:
        return client
    if not proved:
        raise OAuthError(INVALID_CLIENT, "wrong client secret" if claim.secret is not None else "no client secret")
    return client


def _matches(client: Client | None, claim: ClientClaim) -> bool:
    expected = _NOBODY if client is None else client.provider.client_secret
    same = expected.matches(claim.secret or "")
    return same and client is not None and bool(expected)
