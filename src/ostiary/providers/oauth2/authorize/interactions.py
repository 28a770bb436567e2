"""The flows an authorization request sends people through, as prompt, display and ui_locales want it."""

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
    from ostiary.signon.interaction import Interaction


async def sign_in(context: AuthorizationContext) -> Response:
    """Begin the authentication flow, if the request may begin and a page may be shown. Raises OAuthError."""
    if context.expired is not None and not context.redirect_only:
        raise context.expired
    if "none" in context.wanted.prompt and not context.redirect_only:
        raise OAuthError(LOGIN_REQUIRED)
    return _lead_to(context, await begin_sign_in(context))


async def authorization(context: AuthorizationContext) -> Response | None:
    """Run the provider's authorization flow. None when it has nothing to show: then the code is issued at once."""
    flow, consent = _authorization_flow(context)
    shown = await authorize(context, flow, append=consent)
    if shown is None:
        return None
    if "none" in context.wanted.prompt:
        await cancel(context, shown)
        raise OAuthError(CONSENT_REQUIRED if shown.asks_consent else INTERACTION_REQUIRED)
    return _lead_to(context, shown)


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


def _lead_to(context: AuthorizationContext, shown: Interaction) -> Response:
    """Send the browser to a flow, in form and language the application asks for (Core 3.1.2.1, display, ui_locales)."""
    request, display = context.request, context.wanted.display
    response = shown.redirect(request, display=display if display is not None and display != "page" else "")
    spoken = (tag.partition("-")[0].lower() for tag in context.wanted.ui_locales)
    language = next((tag for tag in spoken if tag in context.services.languages), None)
    if language is not None:
        path, secure = f"{request.prefix}/", request.scheme == "https"
        set_cookie(response, LANGUAGE_COOKIE, language, path=path, secure=secure)
    return response
