"""Sending an answer of the authorization endpoint to the client: as a query, a fragment or a form, signed or not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ostiary.proto.oauth2.authorization.response import (
    error_pairs,
    response_pairs,
    response_url,
    signed_claims,
)
from ostiary.proto.oauth2.errors import OAuthError
from ostiary.resource import codec
from ostiary.web.errors import BadRequest
from ostiary.web.response import Response, redirect

if TYPE_CHECKING:
    from ostiary.providers.oauth2.authorize.authorization_context import AuthorizationContext

_SECOND: Final = 1_000_000
_SIGNED_LIFETIME: Final = 600  # seconds; JARM 2.1 advises ten minutes at most


async def send(context: AuthorizationContext, pairs: Sequence[tuple[str, str]]) -> Response:
    """Answer the client. Its address was checked."""
    target = context.target
    parameters = response_pairs(target, pairs, issuer=context.issuer)
    if target.signed:
        parameters = [("response", await _sign(context, parameters))]
    if target.delivery == "form_post":
        return context.services.form_post(context.request, target.redirect_uri, dict(parameters))
    return redirect(response_url(target, parameters), 302)


async def send_error(context: AuthorizationContext, error: OAuthError) -> Response:
    """Tell the client, whose address is trusted by now. Before that, a person is told (`page_of`)."""
    return await send(context, error_pairs(error))


def page_of(error: OAuthError) -> BadRequest:
    """Return the error as a person gets to see it; for log and events it says as much as before."""
    page = BadRequest(error.code, error.description)
    page.reason, page.trace, page.__cause__ = error.reason, error.trace, error.__cause__
    return page


async def _sign(context: AuthorizationContext, pairs: Sequence[tuple[str, str]]) -> str:
    """Return the answer as one JWT (JARM 2): signed as the client's ID tokens are, and encrypted if they are."""
    client = context.client
    claims = signed_claims(
        pairs,
        issuer=context.issuer,
        client_id=client.provider.client_id,
        expires=context.now // _SECOND + _SIGNED_LIFETIME,
    )

    def make() -> str:
        return client.seal(client.sign(codec.encode(claims)))

    return await asyncio.to_thread(make) if client.key.slow else make()
