"""The registry of grants of the token endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary.proto.oauth2.errors import UNAUTHORIZED_CLIENT, UNSUPPORTED_GRANT_TYPE, OAuthError
from ostiary.providers.oauth2.provider.fields import DEVICE_CODE
from ostiary.providers.oauth2.token.grants.authorization_code import authorization_code
from ostiary.providers.oauth2.token.grants.client_credentials import client_credentials
from ostiary.providers.oauth2.token.grants.device_code import device_code
from ostiary.providers.oauth2.token.grants.refresh_token import refresh_token
from ostiary.providers.oauth2.token.request import Grant

if TYPE_CHECKING:
    from ostiary.providers.oauth2.provider.client import Client

_SHOWN: Final = 64  # characters of an unknown name in the log

GRANTS: Final[Mapping[str, Grant]] = {
    "authorization_code": Grant("authorization_code", authorization_code),
    "refresh_token": Grant("refresh_token", refresh_token),
    "client_credentials": Grant("client_credentials", client_credentials, proves_itself=True),
    "password": Grant("password", client_credentials, proves_itself=True),
    DEVICE_CODE: Grant(DEVICE_CODE, device_code),
}

PROVE_THEMSELVES: Final = frozenset(name for name, grant in GRANTS.items() if grant.proves_itself)


def find_grant(name: str) -> Grant:
    """Return the grant of a grant_type. Raises OAuthError (unsupported_grant_type)."""
    try:
        return GRANTS[name]
    except KeyError:
        # guard: A12 an unknown grant type is refused
        raise OAuthError(UNSUPPORTED_GRANT_TYPE, name[:_SHOWN]) from None


def require_allowed_grant(client: Client, grant: Grant) -> None:
    """Require that the client may use the grant (RFC 6749 5.2). Raises OAuthError (unauthorized_client)."""
    # guard: A12 the grant type must be one of the client's
    if grant.name not in client.provider.grant_types:
        raise OAuthError(UNAUTHORIZED_CLIENT, f"{grant.name} is not among the client's grants")
