"""The authorization flow of an application: what stands before it, and the consent it asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from ostiary.flows.plans.beginning import ANOTHER_URL, Beginning
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
    """Ask the policies of the application about the person; the refusal is to be raised. None is a yes.

    `if_refused` is written with a no.
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
    """Ask the policies of the application about the person. Raises NoAccess."""
    refusal = await check_access(context, facts)
    if refusal is not None:
        raise refusal


async def authorize(
    context: SignOnContext, flow: Flow | None = None, *, append: tuple[str, ...] = ()
) -> Interaction | None:
    """Run the flow, by default the provider's authorization flow. Raises HttpError 404 without it.

    None when it has nothing to show: then the answer is stored with its end (`finishing.finish`). `append` are stages
    that come after those of the flow.
    """
    if flow is None:
        flow = require_authorization_flow(context.snapshot, context.party.provider.authorization_flow)
    if not append and is_empty(flow, context.snapshot):
        return None
    services, request, now = context.services, context.request, context.now
    session, subject = context.signed_in
    proof, back = context.consent_proof(subject.user.pk), context.return_url(AUTHORIZE)
    beginning = Beginning(flow_context(context), proof, back, append)
    await prolong_request(context)
    passed = await services.handover.pass_through(request, session, flow, beginning, pending=context.pending, now=now)
    if isinstance(passed, str):
        context.pending = None
        return Interaction(flow, back, passed)
    context.pending = passed
    if passed.completion == proof:
        return None  # the answer goes into the same batch
    await services.handover.commit(request, passed, now=now)
    return Interaction(flow, back)


async def cancel(context: SignOnContext, interaction: Interaction) -> None:
    """Drop a flow that was begun, where nothing may be shown."""
    session, _ = context.signed_in
    await context.services.engine.cancel(session, interaction.flow.slug, interaction.back)


async def begin_flow(
    context: SignOnContext, flow: Flow, plan_context: Mapping[str, object], *, append: tuple[str, ...]
) -> Interaction:
    """Begin a flow whose last stages, those of `append`, carry out themselves what it was begun for.

    Nothing is left to be answered at its end, as after `authorize`: a device, perhaps, waits for what the stages write.
    """
    services, request = context.services, context.request
    session, _ = context.signed_in
    back = context.return_url(AUTHORIZE)
    beginning = Beginning(plan_context, next_url=back, append=append)
    component = await services.handover.start(
        request, session, flow, beginning, pending=context.pending, now=context.now
    )
    return Interaction(flow, back, component)


def flow_context(context: SignOnContext) -> Mapping[str, object]:
    """Return what an authorization flow is begun with."""
    return {
        "is_sso": True,
        DECLINED_URL: context.return_url(DECLINED),
        ANOTHER_URL: context.return_url(ANOTHER),
        "application": application_context(context.party.application),
        **context.authorization_context(),
    }


def require_authorization_flow(snapshot: Snapshot, pk: str | None) -> Flow:
    """Return the flow that stands before an application. Raises HttpError 404."""
    flow = snapshot.get(Flow, pk) if pk is not None else None
    if flow is None:
        raise HttpError(404, "no_authorization_flow", "The application's authorization flow does not exist.")
    return flow


def consent_stage_of(flow: Flow, snapshot: Snapshot, *, always: bool) -> str | None:
    """Return the consent stage of a flow; `always`: only one that no policy may leave out."""
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
    """Return whether the flow would pass anybody who is signed in without a look: then no plan need be made."""
    return (
        flow.authentication in _OPEN
        and not snapshot.referring(FlowStageBinding, "target", flow.pk)
        and not has_bindings(str(flow.pk), snapshot)
    )
