"""The authorization flow of an application, and its consent stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from ostiary.flows.plans.flow_start import ANOTHER_URL, FlowStart
from ostiary.flows.resources import Flow, FlowStageBinding
from ostiary.flows.run.decline import DECLINED_URL
from ostiary.flows.stages.consent import ConsentStage
from ostiary.policies.decide import has_bindings
from ostiary.signon.access import application_context, find_refusal
from ostiary.signon.context import ANOTHER, AUTHORIZE, DECLINED, SignOnContext
from ostiary.signon.interaction import Interaction, prolong_request
from ostiary.web.errors import HttpError, NoAccess

if TYPE_CHECKING:
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.store.database import Statement
_OPEN: Final = frozenset({"none", "require_authenticated"})


async def check_access(
    context: SignOnContext, facts: Mapping[str, object], *, if_refused: Iterable[Statement] = ()
) -> NoAccess | None:
    """Evaluate the policies of the application. Return the error to raise when access is denied, else None.

    `if_refused` is written when access is denied.
    """
    _, subject = context.signed_in
    refusal = await find_refusal(
        context.request,
        context.services,
        subject=subject,
        application=context.party.application,
        snapshot=context.snapshot,
        facts=facts,
        now=context.now,
        another=context.return_url(ANOTHER),
        if_refused=if_refused,
    )
    context.allowed = refusal is None
    return refusal


async def require_access(context: SignOnContext, facts: Mapping[str, object]) -> None:
    """Evaluate the policies of the application. Raises NoAccess."""
    refusal = await check_access(context, facts)
    if refusal is not None:
        raise refusal


async def authorize(
    context: SignOnContext, flow: Flow | None = None, *, append: tuple[str, ...] = ()
) -> Interaction | None:
    """Start the flow, by default the provider's authorization flow. Raises HttpError 404 if there is none.

    Returns None when the flow ends without showing anything: the response is then committed with the end of the flow
    (`final_commit.finish`). `append` are stages that run after those of the flow.
    """
    if flow is None:
        flow = require_authorization_flow(context.snapshot, context.party.provider.authorization_flow)
    if not append and is_empty(flow, context.snapshot):
        return None
    services, request, now = context.services, context.request, context.now
    session, subject = context.signed_in
    proof, back = context.consent_proof(subject.user.pk), context.return_url(AUTHORIZE)
    start = FlowStart(flow_context(context), proof, back, append)
    await prolong_request(context)
    passed = await services.handover.pass_through(request, session, flow, start, pending=context.pending, now=now)
    if isinstance(passed, str):
        context.pending = None
        return Interaction(flow, back, passed)
    context.pending = passed
    if passed.completion == proof:
        return None  # the response is committed in the same batch
    await services.handover.commit(request, passed, now=now)
    return Interaction(flow, back)


async def cancel(context: SignOnContext, interaction: Interaction) -> None:
    """Cancel a started flow. For requests that must not show anything."""
    session, _ = context.signed_in
    await context.services.engine.cancel(session, interaction.flow.slug, interaction.back)


async def begin_flow(
    context: SignOnContext, flow: Flow, plan_context: Mapping[str, object], *, append: tuple[str, ...]
) -> Interaction:
    """Start a flow whose last stages, those of `append`, complete the request themselves.

    Unlike `authorize`, no response follows its end. For example, a device polls for what the stages write.
    """
    services, request = context.services, context.request
    session, _ = context.signed_in
    back = context.return_url(AUTHORIZE)
    start = FlowStart(plan_context, next_url=back, append=append)
    component = await services.handover.start(request, session, flow, start, pending=context.pending, now=context.now)
    return Interaction(flow, back, component)


def flow_context(context: SignOnContext) -> Mapping[str, object]:
    """Return the initial context of an authorization flow."""
    return {
        "is_sso": True,
        DECLINED_URL: context.return_url(DECLINED),
        ANOTHER_URL: context.return_url(ANOTHER),
        "application": application_context(context.party.application),
        **context.authorization_context(),
    }


def require_authorization_flow(snapshot: Snapshot, pk: str | None) -> Flow:
    """Return the authorization flow with that key. Raises HttpError 404."""
    flow = snapshot.get(Flow, pk) if pk is not None else None
    if flow is None:
        raise HttpError(404, "no_authorization_flow", "The application's authorization flow does not exist.")
    return flow


def consent_stage_of(flow: Flow, snapshot: Snapshot, *, always: bool) -> str | None:
    """Return the consent stage of a flow. With `always`, only one that no policy can skip."""
    for binding in snapshot.referring(FlowStageBinding, "target", flow.pk):
        if snapshot.get(ConsentStage, binding.stage) is None:
            continue
        if not (always and has_bindings(str(binding.pk), snapshot)):
            return binding.stage
    return None


def any_consent_stage(snapshot: Snapshot) -> str | None:
    """Return the consent stage of the first authorization flow, by slug, that has one."""
    flows = sorted(snapshot.where(Flow, designation="authorization"), key=lambda item: item.slug)
    stages = (consent_stage_of(flow, snapshot, always=False) for flow in flows)
    return next((stage for stage in stages if stage is not None), None)


def is_empty(flow: Flow, snapshot: Snapshot) -> bool:
    """Return whether the flow lets every signed-in user pass. Such a flow needs no plan."""
    return (
        flow.authentication in _OPEN
        and not snapshot.referring(FlowStageBinding, "target", flow.pk)
        and not has_bindings(str(flow.pk), snapshot)
    )
