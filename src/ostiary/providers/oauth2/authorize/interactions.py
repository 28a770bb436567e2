"""The flows of an authorization request, with the parameters prompt, display and ui_locales."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.proto.oauth2.errors import CONSENT_REQUIRED, INTERACTION_REQUIRED, LOGIN_REQUIRED, OAuthError
from ostiary.signon.authorization import (
    any_consent_stage,
    authorize,
    cancel,
    consent_stage_of,
    require_authorization_flow,
)
from ostiary.signon.person import begin_sign_in
from ostiary.web.language import COOKIE as LANGUAGE_COOKIE
from ostiary.web.response import Response, set_cookie

if TYPE_CHECKING:
    from ostiary.flows.resources import Flow
    from ostiary.providers.oauth2.authorize.authorization_context import AuthorizationContext


async def sign_in(context: AuthorizationContext) -> Response:
    """Start the authentication flow, if the request is not too old and may show a page. Raises OAuthError."""
    if context.expired is not None and not context.redirect_only:
        raise context.expired
    if "none" in context.wanted.prompt and not context.redirect_only:
        raise OAuthError(LOGIN_REQUIRED)
    interaction = await begin_sign_in(context)
    return _in_language(context, interaction.redirect(context.request, display=_display(context)))


async def authorization(context: AuthorizationContext) -> Response | None:
    """Run the provider's authorization flow. Returns None if it shows nothing; then the code is issued at once."""
    flow, consent = _authorization_flow(context)
    shown = await authorize(context, flow, append=consent)
    if shown is None:
        return None
    if "none" in context.wanted.prompt:
        await cancel(context, shown)
        raise OAuthError(CONSENT_REQUIRED if shown.asks_consent else INTERACTION_REQUIRED)
    return _in_language(context, shown.redirect(context.request, display=_display(context)))


def _authorization_flow(context: AuthorizationContext) -> tuple[Flow, tuple[str, ...]]:
    """Return the provider's flow, and the stage that asks for consent where prompt=consent wants one and it has none.

    The flow itself is always passed: what it demands, a second factor perhaps, is not for the application to leave out.
    """
    snapshot = context.snapshot
    flow = require_authorization_flow(snapshot, context.client.provider.authorization_flow)
    if "consent" not in context.wanted.prompt or consent_stage_of(flow, snapshot, always=True) is not None:
        return flow, ()
    stage = any_consent_stage(snapshot)
    if stage is None:
        raise OAuthError(CONSENT_REQUIRED, "no flow with a consent stage")
    return flow, (stage,)


def _display(context: AuthorizationContext) -> str:
    """Return the requested form of page, "" for the usual one (OpenID Connect Core 3.1.2.1, display)."""
    display = context.wanted.display
    return display if display is not None and display != "page" else ""


def _in_language(context: AuthorizationContext, response: Response) -> Response:
    """Add the cookie of the requested language, if we have that one (OpenID Connect Core 3.1.2.1, ui_locales)."""
    request = context.request
    spoken = (tag.partition("-")[0].lower() for tag in context.wanted.ui_locales)
    language = next((tag for tag in spoken if tag in context.services.languages), None)
    if language is not None:
        path, secure = f"{request.prefix}/", request.scheme == "https"
        set_cookie(response, LANGUAGE_COOKIE, language, path=path, secure=secure)
    return response
