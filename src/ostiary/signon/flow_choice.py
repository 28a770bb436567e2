"""Which flow signs people in here, which stage asks for consent, and the application as a plan knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.brands.select import select
from ostiary.flows.resources import Flow, FlowStageBinding
from ostiary.flows.stages.consent import ConsentStage
from ostiary.policies.decide import has_bindings
from ostiary.web.errors import HttpError

if TYPE_CHECKING:
    from ostiary.applications.resources import Application
    from ostiary.store.configuration.snapshot import Snapshot

_OPEN: Final = frozenset({"none", "require_authenticated"})


def authentication_flow(snapshot: Snapshot, host: str, own: str | None = None) -> Flow | None:
    """Return the flow that signs people in at that host: the provider's `own`, else the brand's; None for none."""
    pk = own or select(snapshot, host).flow_authentication
    return snapshot.get(Flow, pk) if pk is not None else None


def require_authentication_flow(snapshot: Snapshot, host: str, own: str | None = None) -> Flow:
    """Return that flow. Raises HttpError 404."""
    flow = authentication_flow(snapshot, host, own)
    if flow is None:
        raise HttpError(404, "no_authentication_flow", "No way to sign in is set up for this address.")
    return flow


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


def application_context(item: Application) -> dict[str, object]:
    """Return what a plan knows as `application`."""
    return {"pk": str(item.pk), "name": item.name, "slug": item.slug}
