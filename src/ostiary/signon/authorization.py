"""The authorization flow of an application: what stands before it, and the consent it asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ostiary.flows.plans.beginning import ANOTHER_URL
from ostiary.flows.run.decline import DECLINED_URL
from ostiary.flows.run.outcome import Moved, Passed
from ostiary.signon.access import find_refusal
from ostiary.signon.context import ANOTHER, AUTHORIZE, DECLINED, SignOnContext
from ostiary.signon.flow_choice import application_context, is_empty, require_authorization_flow
from ostiary.signon.interaction import Interaction, prolong_request

if TYPE_CHECKING:
    from ostiary.flows.resources import Flow
    from ostiary.store.database import Statement
    from ostiary.web.errors import NoAccess


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
    await prolong_request(context)
    outcome = await services.engine.start(
        request,
        session,
        flow,
        context=flow_context(context),
        next_url=back,
        completion=proof,
        append=append,
        pending=context.pending,
        hold=True,
        now=now,
    )
    context.pending = outcome.pending if isinstance(outcome, Moved) else None
    if context.pending is not None and context.pending.completion == proof:
        return None  # the answer goes into the same batch
    if context.pending is not None:
        await services.engine.settle(request, context.pending, now=now)
    return Interaction(flow, back, outcome.component if isinstance(outcome, Passed) else "")


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
    session, _ = context.signed_in
    back = context.return_url(AUTHORIZE)
    outcome = await context.services.engine.start(
        context.request, session, flow, context=plan_context, next_url=back, append=append, now=context.now
    )
    return Interaction(flow, back, outcome.component if isinstance(outcome, Passed) else "")


def flow_context(context: SignOnContext) -> Mapping[str, object]:
    """Return what an authorization flow is begun with."""
    return {
        "is_sso": True,
        DECLINED_URL: context.return_url(DECLINED),
        ANOTHER_URL: context.return_url(ANOTHER),
        "application": application_context(context.party.application),
        **context.authorization_context(),
    }
