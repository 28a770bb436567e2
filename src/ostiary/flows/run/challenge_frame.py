"""What stands around every challenge: title, layout, the way out, and who it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from ostiary.applications.resources import Application
from ostiary.brands.select import select
from ostiary.flows.next_url import is_relative, query_value
from ostiary.flows.people.pending_user import person_fields
from ostiary.flows.run.destination import NAMED, key_of_page
from ostiary.flows.run.outcome import Challenge, FlowInfo
from ostiary.flows.run.stage_context import Ask, Visit

if TYPE_CHECKING:
    from ostiary.flows.plans.plan import Plan

ACCESS_DENIED: Final = "ak-stage-access-denied"
SESSION_END: Final = "ak-stage-session-end"
NOTICES: Final = "sign_out_notices"
"""What of an application's wish to sign out was not taken, in the plan's context."""


async def challenge_of(visit: Visit, ask: Ask, plan: Plan, component: str) -> Challenge:
    """Return the challenge a stage asks to show."""
    person = await person_fields(visit) if ask.person else {}
    return Challenge(
        component=ask.component or component,
        fields={**person, **ask.fields},
        flow_info=flow_info(visit),
        response_errors=plan.errors,
        ticket=plan.ticket,
    )


async def access_denied(visit: Visit, message: str) -> Challenge:
    """Return the screen of somebody who does not get any further."""
    fields = {**await person_fields(visit), "error_message": message}
    application = str(visit.mapping("application").get("name", ""))
    return Challenge(component=ACCESS_DENIED, fields=fields, flow_info=flow_info(visit), application=application)


async def session_end(visit: Visit) -> Challenge | None:
    """Return the screen at the end of a sign-out that an application asked for; None when none did."""
    if _application(visit) is None:
        return None
    fields = await session_end_fields(visit)
    return Challenge(component=SESSION_END, fields=fields, flow_info=flow_info(visit))


async def session_end_fields(visit: Visit) -> dict[str, object]:
    """Return what that screen says, whether or not an application is behind it.

    `notices` tell what of the application's request was not taken: "address", "hint"; left out when all was.
    """
    application = _application(visit)
    fields: dict[str, object] = {
        **await person_fields(visit),
        "application_name": application.name if application is not None else "",
        "application_launch_url": application.meta_launch_url if application is not None else "",
        "brand_name": select(visit.snapshot, visit.request.host).branding_title,
    }
    notices = visit.context.get(NOTICES)
    if notices:
        fields["notices"] = notices
    if visit.session.user is not None:  # else nobody is left to be signed out
        fields["invalidation_flow_url"] = visit.request.prefix + "/flows/-/default/invalidation/"
    return fields


def _application(visit: Visit) -> Application | None:
    pk = visit.mapping("application").get("pk")
    return visit.snapshot.get(Application, pk) if isinstance(pk, str) else None


def flow_info(visit: Visit) -> FlowInfo:
    """Return title, layout and the way out of a flow."""
    brand = select(visit.snapshot, visit.request.host)
    following, named = query_value(visit.query, "next"), query_value(visit.query, NAMED)
    cancel = visit.request.prefix + "/flows/-/cancel/"
    if following and is_relative(following):
        cancel += "?next=" + quote(following, safe="")
    elif named and key_of_page(visit.query):
        cancel += f"?{NAMED}={named}"
    return FlowInfo(
        title=_title(visit),
        layout=visit.flow.layout,
        cancel_url=cancel,
        background=visit.flow.background or brand.branding_default_flow_background,
    )


def _title(visit: Visit) -> str:
    application = visit.mapping("application").get("name", "")
    user = visit.text("pending_user_identifier") or visit.session.who.get("username", "")
    return visit.flow.title.replace("%(app)s", str(application)).replace("%(user)s", str(user)).replace("%%", "%")
