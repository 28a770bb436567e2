"""The flows an authorization request sends people through: sign-in, and what stands before the application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.brands.select import select
from ostiary.flows.outcome import Moved
from ostiary.flows.resources import Flow, FlowStageBinding
from ostiary.flows.stages.consent import ConsentStage
from ostiary.policies.decide import has_bindings
from ostiary.proto.oauth2.errors import CONSENT_REQUIRED, INTERACTION_REQUIRED, OAuthError
from ostiary.providers.oauth2.inquiry import Inquiry
from ostiary.web.errors import HttpError
from ostiary.web.response import Response, redirect

if TYPE_CHECKING:
    from ostiary.store.snapshot import Snapshot

_OPEN: Final = frozenset({"none", "require_authenticated"})


async def sign_in(inquiry: Inquiry) -> Response:
    """Begin the authentication flow of the provider, else of the brand; it leads back to this request."""
    services, request, now = inquiry.services, inquiry.request, inquiry.now
    brand = select(inquiry.snapshot, request.host)
    pk = inquiry.client.provider.authentication_flow or brand.flow_authentication
    flow = inquiry.snapshot.get(Flow, pk) if pk is not None else None
    if flow is None:
        raise HttpError(404, "no_authentication_flow", "No way to sign in is set up for this address.")
    context: dict[str, object] = {"application": _application(inquiry)}
    if inquiry.wanted.login_hint:
        context["pending_user_identifier"] = inquiry.wanted.login_hint
    session = await services.gate.ensure(request, now)
    await services.engine.begin(
        request,
        session,
        flow,
        context=context,
        next_url=inquiry.return_url("sign-in"),
        completion=inquiry.sign_in_proof(),
        now=now,
    )
    return redirect(_page(inquiry, flow))


async def authorization(inquiry: Inquiry) -> Response | None:
    """Run the provider's authorization flow. None when it has nothing to show: then the code is issued at once."""
    flow = _authorization_flow(inquiry)
    if _is_empty(flow, inquiry.snapshot):
        return None
    services, request, now = inquiry.services, inquiry.request, inquiry.now
    session, subject = inquiry.signed_in
    proof = inquiry.consent_proof(subject.user.pk)
    await services.engine.begin(
        request,
        session,
        flow,
        context=_context(inquiry),
        next_url=inquiry.return_url("authorize"),
        completion=proof,
        now=now,
    )
    outcome = await services.engine.challenge(request, session, flow.slug, now=now)
    if isinstance(outcome, Moved) and await services.engine.completed(session, proof, now=now):
        return None
    if "none" in inquiry.wanted.prompt:
        await services.engine.cancel(session, flow.slug)
        consent = getattr(outcome, "component", "") == ConsentStage.COMPONENT
        raise OAuthError(CONSENT_REQUIRED if consent else INTERACTION_REQUIRED)
    return redirect(_page(inquiry, flow))


def _authorization_flow(inquiry: Inquiry) -> Flow:
    """Return the provider's flow; with prompt=consent one that asks, if the provider's does not."""
    snapshot = inquiry.snapshot
    flow = snapshot.get(Flow, inquiry.client.provider.authorization_flow)
    if flow is None:
        raise HttpError(404, "no_authorization_flow", "The application's authorization flow does not exist.")
    if "consent" not in inquiry.wanted.prompt or _asks(flow, snapshot):
        return flow
    others = sorted(snapshot.where(Flow, designation="authorization"), key=lambda item: item.slug)
    asking = next((other for other in others if _asks(other, snapshot)), None)
    if asking is None:
        raise OAuthError(CONSENT_REQUIRED, "no flow with a consent stage")
    return asking


def _asks(flow: Flow, snapshot: Snapshot) -> bool:
    bindings = snapshot.referring(FlowStageBinding, "target", flow.pk)
    return any(snapshot.get(ConsentStage, binding.stage) is not None for binding in bindings)


def _is_empty(flow: Flow, snapshot: Snapshot) -> bool:
    """Tell whether the flow would pass anybody who is signed in without a look: then no plan need be made."""
    return (
        flow.authentication in _OPEN
        and not snapshot.referring(FlowStageBinding, "target", flow.pk)
        and not has_bindings(str(flow.pk), snapshot)
    )


def _context(inquiry: Inquiry) -> dict[str, object]:
    described = inquiry.client.claim_set.described(inquiry.scope)
    return {
        "is_sso": True,
        "application": _application(inquiry),
        "consent_permissions": [{"id": item.scope_name, "name": item.description} for item in described],
        "consent_always": "consent" in inquiry.wanted.prompt,
        "oauth_redirect_uri": inquiry.target.redirect_uri if inquiry.target else "",
    }


def _application(inquiry: Inquiry) -> dict[str, object]:
    item = inquiry.client.application
    return {"pk": str(item.pk), "name": item.name, "slug": item.slug}


def _page(inquiry: Inquiry, flow: Flow) -> str:
    return f"{inquiry.request.prefix}/if/flow/{flow.slug}/"
