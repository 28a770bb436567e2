"""The question to an application's policies, and the refusal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from ostiary.policies.context import PolicyContext
from ostiary.policies.decide import decide_application
from ostiary.store.workspace.commit import write_all
from ostiary.web.errors import NoAccess

if TYPE_CHECKING:
    from ostiary.applications.resources import Application
    from ostiary.directory.user import Subject
    from ostiary.signon.services import Services
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.store.database import Statement
    from ostiary.web.request import Request

NO_ACCESS: Final = "You have no access to this application."
"""What is said where the policies give no reason."""


async def find_refusal(
    request: Request,
    services: Services,
    *,
    subject: Subject,
    application: Application,
    snapshot: Snapshot,
    facts: Mapping[str, object],
    now: int,
    another: str = "",
    if_refused: Iterable[Statement] = (),
) -> NoAccess | None:
    """Ask the policies; None is a yes. A refusal is an error whose page names application, account and a way out.

    `facts` is what expressions see as `request.context`. `another` is the path of ours where another person may sign
    in for the same thing. The decision's events are written here, and `if_refused` with them after a no.
    """
    decision = await decide_application(
        subject=subject,
        application=application,
        snapshot=snapshot,
        context=PolicyContext(now=now, client_ip=request.client, facts=facts),
    )
    statements = [*decision.events, *(() if decision.passing else if_refused)]
    if statements:
        await write_all(services.database, statements)
    if decision.passing:
        return None
    message = " ".join(decision.messages) or NO_ACCESS
    return NoAccess(message, application=application.name, account=subject.user.username, another=another)
