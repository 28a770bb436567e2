"""The flows an authorization request sends people through: sign-in, and what stands before the application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.flows.plans.beginning import ANOTHER_URL, Beginning
from ostiary.flows.run.decline import DECLINED_URL
from ostiary.flows.run.destination import page_address
from ostiary.flows.run.flow_commit import pending_from
from ostiary.flows.run.outcome import Moved, Passed
from ostiary.flows.stages.consent import ConsentStage
from ostiary.grants.pushed import begin_journey
from ostiary.proto.oauth2.errors import CONSENT_REQUIRED, INTERACTION_REQUIRED, OAuthError
from ostiary.providers.oauth2.authorize.context import ANOTHER, AuthorizationContext
from ostiary.providers.oauth2.protected.github import DESCRIPTIONS
from ostiary.signon.flow_choice import (
    any_consent_stage,
    application_context,
    authentication_flow,
    consent_stage_of,
    is_empty,
    require_authentication_flow,
    require_authorization_flow,
)
from ostiary.store.workspace.commit import write_all
from ostiary.web.language import COOKIE as LANGUAGE_COOKIE
from ostiary.web.response import Response, redirect, set_cookie

if TYPE_CHECKING:
    from ostiary.flows.resources import Flow


async def sign_in(context: AuthorizationContext) -> Response:
    """Begin the authentication flow of the provider, else of the brand; it leads back to this request."""
    services, request, now = context.services, context.request, context.now
    flow = require_authentication_flow(context.snapshot, request.host, context.client.provider.authentication_flow)
    beginning, back = _sign_in_of(context), context.return_url("sign-in")
    session, pending = await services.sessions.read(request, now), None
    if session is not None and session.user is not None and flow.authentication == "require_unauthenticated":
        # The flow takes nobody who is signed in, and the present sign-in is not enough: it ends.
        await services.sessions.end(request, session, now=now)
        session = None
    if session is None:
        pending = pending_from(services.sessions.beginning(request, now))
        session = pending.session
    await _keep_pushed(context)
    await services.engine.start(
        request,
        session,
        flow,
        context=beginning.context,
        next_url=back,
        completion=beginning.completion,
        pending=pending,
        now=now,
    )
    return _to(context, flow, back)


def sign_in_again(context: AuthorizationContext, flow: Flow) -> Beginning | None:
    """Return what that flow is begun for when this request needs a sign-in; None when it begins another one."""
    own = context.client.provider.authentication_flow
    wanted = authentication_flow(context.snapshot, context.request.host, own)
    return _sign_in_of(context) if wanted is not None and wanted.pk == flow.pk else None


def _sign_in_of(context: AuthorizationContext) -> Beginning:
    plan_context: dict[str, object] = {
        "application": application_context(context.client.application),
        ANOTHER_URL: context.return_url(ANOTHER),
    }
    hint = context.wanted.login_hint
    if hint and "select_account" not in context.wanted.prompt and context.coming_from != ANOTHER:
        plan_context["pending_user_identifier"] = hint
    return Beginning(plan_context, context.sign_in_proof())


async def authorization(context: AuthorizationContext) -> Response | None:
    """Run the provider's authorization flow. None when it has nothing to show: then the code is issued at once."""
    flow, consent = _authorization_flow(context)
    if not consent and is_empty(flow, context.snapshot):
        return None
    services, request, now = context.services, context.request, context.now
    session, subject = context.signed_in
    proof, back = context.consent_proof(subject.user.pk), context.return_url("authorize")
    await _keep_pushed(context)
    outcome = await services.engine.start(
        request,
        session,
        flow,
        context=_context(context),
        next_url=back,
        completion=proof,
        append=consent,
        pending=context.pending,
        hold=True,
        now=now,
    )
    context.pending = outcome.pending if isinstance(outcome, Moved) else None
    if context.pending is not None and context.pending.completion == proof:
        return None  # the code goes into the same batch
    if context.pending is not None:
        await services.engine.settle(request, context.pending, now=now)
    if "none" in context.wanted.prompt:
        await services.engine.cancel(session, flow.slug, back)
        asks = isinstance(outcome, Passed) and outcome.component == ConsentStage.COMPONENT
        raise OAuthError(CONSENT_REQUIRED if asks else INTERACTION_REQUIRED)
    return _to(context, flow, back)


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


def _context(context: AuthorizationContext) -> dict[str, object]:
    described = context.client.claim_set.described(context.scope)
    return {
        "is_sso": True,
        DECLINED_URL: context.return_url("declined"),
        ANOTHER_URL: context.return_url(ANOTHER),
        "application": application_context(context.client.application),
        "consent_permissions": [
            *({"id": item.scope_name, "name": item.description} for item in described),
            *({"id": name, "name": text} for name, text in DESCRIPTIONS.items() if name in context.scope),
            *({"id": f"claim:{name}", "name": name} for name in _single_claims(context)),
        ],
        "consent_always": "consent" in context.wanted.prompt,
        "oauth_redirect_uri": context.target.redirect_uri if context.target else "",
    }


def _single_claims(context: AuthorizationContext) -> list[str]:
    """Return the claims asked for by name (Core 5.5) that come with no scope granted: people allow those as well."""
    claims = context.wanted.claims
    asked = claims.names("userinfo") | claims.names("id_token")
    given = context.client.claim_set.claim_names(context.scope)
    return sorted(name for name in asked if name not in given and name in context.client.claim_set.claim_names())


async def _keep_pushed(context: AuthorizationContext) -> None:
    """Let a pushed request outlive its first minutes: somebody is on the way with it."""
    if context.handle_hash is not None:
        await write_all(context.services.database, [begin_journey(context.handle_hash, now=context.now)])


def _to(context: AuthorizationContext, flow: Flow, back: str) -> Response:
    """Send the browser to a flow, in form and language the application asks for (Core 3.1.2.1, display, ui_locales)."""
    request, display = context.request, context.wanted.display
    shown = display if display is not None and display != "page" else ""
    response = redirect(page_address(request.prefix, flow.slug, back, display=shown))
    spoken = (tag.partition("-")[0].lower() for tag in context.wanted.ui_locales)
    language = next((tag for tag in spoken if tag in context.services.languages), None)
    if language is not None:
        path, secure = f"{request.prefix}/", request.scheme == "https"
        set_cookie(response, LANGUAGE_COOKIE, language, path=path, secure=secure)
    return response
