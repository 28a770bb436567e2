"""Access decisions: whether a user may use an application, and the error if not.

Only this module evaluates the policies of an application. Every protocol and page calls it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ostiary.policies.context import PolicyContext
from ostiary.policies.decide import decide
from ostiary.record import dataclass
from ostiary.store.workspace.commit import write_all
from ostiary.web.errors import NoAccess

if TYPE_CHECKING:
    from ostiary.applications.resources import Application
    from ostiary.directory.user import Subject
    from ostiary.policies.services import PolicyServices
    from ostiary.policies.trace import Trace
    from ostiary.signon.services import SignOnServices
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.store.database import Statement
    from ostiary.web.request import Request

NO_ACCESS: Final = "You have no access to this application."
"""The default message, when the policies give no reason."""


def application_context(item: Application) -> dict[str, object]:
    """Return the value of `application` in the context of a plan."""
    return {"pk": str(item.pk), "name": item.name, "slug": item.slug}


@dataclass(frozen=True, slots=True)
class Access:
    """An access decision. `messages` are for the user. The caller writes `events` when it acts on the decision."""

    allowed: bool
    messages: tuple[str, ...] = ()
    events: tuple[Statement, ...] = ()
    trace: Trace | None = None

    @property
    def data(self) -> Mapping[str, object] | None:
        """The trace as JSON data, for the event of a refusal."""
        return self.trace.data() if self.trace is not None else None


async def decide_access(
    *,
    subject: Subject,
    application: Application,
    snapshot: Snapshot,
    client_ip: str | None,
    now: int,
    policy_services: PolicyServices,
    request: Request | None = None,
    facts: Mapping[str, object] = MappingProxyType({}),
    trial: bool = False,
) -> Access:
    """Evaluate the policies bound to the application. `facts` is `request.context` in expressions."""
    decision = await decide(
        subject=subject,
        target_pk=str(application.pk),
        mode=application.policy_engine_mode,
        snapshot=snapshot,
        context=PolicyContext(
            now=now, client_ip=client_ip, facts=facts, request=request, services=policy_services, trial=trial
        ),
    )
    return Access(decision.passing, decision.messages, decision.events, decision.trace)


async def accessible(
    applications: Iterable[Application],
    *,
    subject: Subject,
    snapshot: Snapshot,
    now: int,
    policy_services: PolicyServices,
    request: Request | None = None,
) -> Sequence[Application]:
    """Return the applications that the user may use. No events are written for a list."""
    found = []
    for item in applications:
        access = await decide_access(
            subject=subject,
            application=item,
            snapshot=snapshot,
            client_ip=None if request is None else request.client,
            now=now,
            policy_services=policy_services,
            request=request,
        )
        if access.allowed:
            found.append(item)
    return found


async def find_refusal(
    request: Request,
    services: SignOnServices,
    *,
    subject: Subject,
    application: Application,
    snapshot: Snapshot,
    facts: Mapping[str, object],
    now: int,
    another: str = "",
    if_refused: Iterable[Statement] = (),
) -> NoAccess | None:
    """Return the error to raise when the policies deny access, else None. Its page names application and account.

    `facts` as in `decide_access`. `another` is our path for signing in as another user. The events of the decision are
    written here, together with `if_refused` when access is denied.
    """
    access = await decide_access(
        subject=subject,
        application=application,
        snapshot=snapshot,
        client_ip=request.client,
        now=now,
        policy_services=services.policy_services,
        request=request,
        facts=facts,
    )
    statements = [*access.events, *(() if access.allowed else if_refused)]
    if statements:
        await write_all(services.database, statements)
    if access.allowed:
        return None
    message = " ".join(access.messages) or NO_ACCESS
    return NoAccess(
        message,
        application=application.name,
        account=subject.user.username,
        another=another,
        trace=access.data,
    )
