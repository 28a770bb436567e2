"""Where the parameters of a request come from: the query, a request object (RFC 9101), or PAR (RFC 9126).

A request may begin only while its object or its request_uri is good. People take longer than that to sign in: a late
one goes on when the browser comes back from a flow that was begun for it in time (`SignOnContext.expired`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.grants.pushed_requests import find_pushed
from ostiary.proto.jose import JoseError, VerifyingKey, secret_keys
from ostiary.proto.jose.jwe import is_encrypted
from ostiary.proto.jose.jwks import verifying_keys
from ostiary.proto.oauth2.authorization.request_object import RequestObject, read_object
from ostiary.proto.oauth2.authorization.request_uri import handle_of
from ostiary.proto.oauth2.errors import (
    INVALID_REQUEST,
    INVALID_REQUEST_OBJECT,
    INVALID_REQUEST_URI,
    REQUEST_URI_NOT_SUPPORTED,
    OAuthError,
)
from ostiary.proto.oauth2.parameters import read_parameters
from ostiary.providers.oauth2.authorize.address import PATH
from ostiary.providers.oauth2.client_authentication.authentication import PAR_PATH
from ostiary.store.hashing import token_hash

if TYPE_CHECKING:
    from ostiary.providers.oauth2.authorize.authorization_context import AuthorizationContext
    from ostiary.providers.oauth2.provider.client import Client
    from ostiary.web.request import Request


async def find_parameters(context: AuthorizationContext) -> None:
    """Put the parameters of the request in place of those of the query. Raises OAuthError."""
    sent, provider = context.parameters, context.client.provider
    request_uri, token = sent.get("request_uri"), sent.get("request")
    if request_uri is not None:
        if token is not None:
            raise OAuthError(INVALID_REQUEST, "request and request_uri")
        await _pushed(context, request_uri)
        return
    if provider.require_pushed_authorization_requests:
        raise OAuthError(INVALID_REQUEST, "not pushed", description="The request has to be pushed (RFC 9126).")
    if token is not None:
        signed = signed_request(context.client, context.request, token, now=context.now)
        context.parameters = signed.parameters
        if signed.expires is not None and signed.expires <= context.now:
            context.expired = OAuthError(INVALID_REQUEST_OBJECT, "expired")
    # guard: A15 unsigned requests are refused if the provider requires signed ones
    elif provider.require_signed_request_object:
        raise unsigned()


def signed_request(client: Client, request: Request, token: str, *, now: int) -> RequestObject:
    """Return a request object of the client. Whether it expired is the caller's. Raises OAuthError."""
    base = request.base_url
    issuer = client.issuer(base)
    return read_object(
        _opened(client, token),
        _keys(client),
        client_id=client.provider.client_id,
        audiences={issuer, issuer.rstrip("/"), f"{base}{PATH}", f"{base}{PAR_PATH}"},
        now=now,
    )


def _opened(client: Client, token: str) -> str:
    """Return what is inside an encrypted request object (RFC 9101 6.1); others as they are.

    Encryption proves nothing, anybody has the public key: what comes out has to be signed like any other object (A15).
    """
    if not is_encrypted(token):
        return token
    decrypter = client.keys.own
    if decrypter is None:
        raise OAuthError(INVALID_REQUEST_OBJECT, "encrypted, and the provider has no key to decrypt it")
    try:
        return decrypter.decrypt(token).decode("ascii")
    except (JoseError, UnicodeDecodeError) as error:
        raise OAuthError(INVALID_REQUEST_OBJECT, f"encrypted object: {error}") from error


def unsigned() -> OAuthError:
    """Return the error of a request without signature, where the provider demands one (RFC 9101 10.5)."""
    return OAuthError(INVALID_REQUEST, "not signed", description="The request has to be signed (RFC 9101).")


async def _pushed(context: AuthorizationContext, request_uri: str) -> None:
    """Read what was pushed (RFC 9126 4): by this client, not used yet. Nothing of the query counts beside it."""
    handle = handle_of(request_uri)
    if handle is None:
        # guard: A67 a request by reference is refused unless it was pushed here
        raise OAuthError(REQUEST_URI_NOT_SUPPORTED, "not a request_uri of ours")
    context.handle_hash = token_hash(handle)
    pushed = await find_pushed(context.services.database, context.handle_hash, now=context.now)
    if pushed is None or pushed.provider != context.client.pk:
        raise OAuthError(INVALID_REQUEST_URI, "unknown, used, expired, or another client's")
    if context.client.provider.require_signed_request_object and not pushed.signed:
        raise unsigned()
    context.pushed = pushed
    context.parameters = read_parameters(pushed.pairs)
    if pushed.begins_before <= context.now:
        context.expired = OAuthError(INVALID_REQUEST_URI, "expired")


def _keys(client: Client) -> tuple[VerifyingKey, ...]:
    """Return what the client signs with: its published keys, and its secret when it has one (HS256)."""
    secret = client.provider.client_secret
    own = () if client.public or not secret else secret_keys(secret.reveal().encode())
    try:
        return (*verifying_keys(client.provider.jwks), *own)
    except JoseError as error:
        raise OAuthError(INVALID_REQUEST_OBJECT, f"jwks of the provider: {error}") from error
