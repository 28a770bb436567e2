"""The page at the end of a sign-out: what it says, whether or not an application is behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ostiary.applications.resources import Application
from ostiary.brands.select import select
from ostiary.flows.challenge_page import ChallengePage, PageContext
from ostiary.flows.interface.pending_user import person_fields
from ostiary.flows.interface.stage_context import Ask, StageContext

SESSION_END: Final = "ak-stage-session-end"


def _values(page: PageContext) -> Mapping[str, object]:
    return {"request_id": page.notes.get(NOTICES_NUMBER, "")}


SESSION_END_PAGE: Final = ChallengePage(template="stages/session_end.html", values=_values)
NOTICES: Final = "sign_out_notices"
"""What of an application's wish to sign out was not taken, in the plan's context."""
NOTICES_NUMBER: Final = "sign_out_request"
"""The number of the request with that wish."""


async def _fields(stage_context: StageContext) -> dict[str, object]:
    """Return what that screen says, whether or not an application is behind it.

    `notices` tell what of the application's request was not taken: "address", "hint"; left out when all was.
    """
    application = plan_application(stage_context)
    fields: dict[str, object] = {
        **await person_fields(stage_context),
        "application_name": application.name if application is not None else "",
        "application_launch_url": application.meta_launch_url if application is not None else "",
        "brand_name": select(stage_context.snapshot, stage_context.request.host).branding_title,
    }
    notices = stage_context.context.get(NOTICES)
    if notices:
        fields["notices"] = notices
    if stage_context.session.user is not None:  # else nobody is left to be signed out
        fields["invalidation_flow_url"] = stage_context.request.prefix + "/flows/-/default/invalidation/"
    return fields


async def session_end(stage_context: StageContext, **more: object) -> Ask:
    """Ask with that screen, with more fields. Its page shows the number of a request that was not taken whole."""
    notes = {NOTICES_NUMBER: stage_context.text(NOTICES_NUMBER) or ""}
    return Ask({**await _fields(stage_context), **more}, person=False, notes=notes)


def plan_application(stage_context: StageContext) -> Application | None:
    """Return the application that the flow was begun for."""
    pk = stage_context.mapping("application").get("pk")
    return stage_context.snapshot.get(Application, pk) if isinstance(pk, str) else None
