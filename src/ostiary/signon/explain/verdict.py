"""The verdict: whether the user would reach the application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.applications.provider import PROVIDER, SignOnProvider
from ostiary.flows.resources import Flow
from ostiary.record import dataclass
from ostiary.signon.access import NO_ACCESS, application_context, decide_access
from ostiary.signon.explain.flow_runs import FlowRun, authentication_run, authorization_run
from ostiary.signon.explain.situation import ObservedFacts
from ostiary.signon.flow_choice import authentication_flow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ostiary.signon.explain.preview import ProtocolPreviews
    from ostiary.signon.explain.situation import Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessVerdict:
    """Whether the user reaches the application, and the reasons if not. `flows` are those that would run."""

    allowed: bool
    reasons: tuple[str, ...] = ()
    flows: tuple[FlowRun, ...] = ()


async def decide_verdict(situation: Situation, facts: Mapping[str, object]) -> AccessVerdict:
    """Check what a sign-in checks, in its order: the account, the application's policies, the authorization flow."""
    # guard: A82 an inactive account may not
    reasons = [] if situation.subject.user.is_active else ["the account is not active"]
    access = await decide_access(
        subject=situation.subject,
        application=situation.application,
        snapshot=situation.snapshot,
        client_ip=situation.client_ip,
        now=situation.now,
        facts=ObservedFacts(facts),
        policy_services=situation.policy_services,
        trial=True,
    )
    if not access.allowed:
        reasons.append(" ".join(access.messages) or NO_ACCESS)
    provider = sign_on_provider(situation)
    flows = [] if provider is None else await _flows(situation, provider)
    reasons += [f"flow {run.slug}: {run.refusal}" for run in flows if run.role == "authorization" and run.refusal]
    if provider is not None and not any(run.role == "authorization" for run in flows):
        reasons.append("the application's authorization flow does not exist")
    return AccessVerdict(allowed=not reasons, reasons=tuple(reasons), flows=tuple(flows))


def sign_on_provider(situation: Situation) -> SignOnProvider | None:
    """Return the sign-on provider of the application."""
    pk = situation.application.provider
    found = None if pk is None else situation.snapshot.resolve(PROVIDER, pk)
    return found if isinstance(found, SignOnProvider) else None


def application_facts(situation: Situation, previews: ProtocolPreviews) -> Mapping[str, object]:
    """Return the facts that the protocol gives to the application's policies."""
    preview = previews.of(sign_on_provider(situation))
    return {} if preview is None else preview.facts(situation)


async def _flows(situation: Situation, provider: SignOnProvider) -> list[FlowRun]:
    found = []
    signing_in = authentication_flow(situation.snapshot, situation.host, provider.authentication_flow)
    if signing_in is not None:
        found.append(await authentication_run(signing_in, situation))
    passing = situation.snapshot.get(Flow, provider.authorization_flow)
    if passing is not None:
        facts = {"is_sso": True, "application": application_context(situation.application)}
        found.append(await authorization_run(passing, situation, facts))
    return found
