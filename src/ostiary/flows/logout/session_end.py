"""The last page of a logout."""

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
"""Key of the plan context: the rejected parts of an application's logout request."""
NOTICES_NUMBER: Final = "sign_out_request"
"""Key of the plan context: the id of that request."""


async def _fields(stage_context: StageContext) -> dict[str, object]:
    """Return the fields of the challenge.

    `notices` name the rejected parts of the application's request: "address", "hint"; omitted if none were.
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
    """Return the challenge, with additional fields. Its page shows the id of a partly rejected request."""
    notes = {NOTICES_NUMBER: stage_context.text(NOTICES_NUMBER) or ""}
    return Ask({**await _fields(stage_context), **more}, person=False, notes=notes)


def plan_application(stage_context: StageContext) -> Application | None:
    """Return the application in the plan context."""
    pk = stage_context.mapping("application").get("pk")
    return stage_context.snapshot.get(Application, pk) if isinstance(pk, str) else None
