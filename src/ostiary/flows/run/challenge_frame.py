"""The frame of every challenge: title, layout, cancel URL, and the pending user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from ostiary.brands.select import select
from ostiary.flows.challenge_page import ChallengePage, PageContext
from ostiary.flows.error_detail import TOO_MANY
from ostiary.flows.interface.pending_user import person_fields
from ostiary.flows.interface.stage_context import Ask, StageContext
from ostiary.flows.next_url import is_relative, query_value
from ostiary.flows.plans.destination import FLOW_TOKEN, NAMED, page_key
from ostiary.flows.plans.flow_start import ANOTHER_URL
from ostiary.flows.run.outcome import Challenge, FlowInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ostiary.flows.plans.plan import Plan
    from ostiary.flows.resources import Stage

ACCESS_DENIED: Final = "ak-stage-access-denied"
REFUSED: Final = "refused"
"""Key of the scratch of a denied plan: the id of the denied request."""


def _denied_values(page: PageContext) -> Mapping[str, object]:
    """Return the values of the page of a denial.

    After wrong passwords the URL of the page starts the flow again. After a link, the URL without its key is where a
    new one can be requested.
    """
    _ = page.translate
    by_link = any(name == FLOW_TOKEN for name, _value in page.request.query_pairs())
    wrong = page.fields.get("error_message") == TOO_MANY
    return {
        "again": page.address(without=(FLOW_TOKEN,)) if wrong or by_link else "",
        "heading": _("Wrong password") if wrong else _("This link does not work") if by_link else _("No access"),
        "another": "",
        "request_id": page.request.request_id,
        "signed_in": False,
        "again_label": _("Ask for a new link") if by_link else _("Start again"),
        **page.notes,
    }


DENIED_PAGE: Final = ChallengePage(template="stages/access_denied.html", values=_denied_values)


async def challenge_of(stage_context: StageContext, ask: Ask, plan: Plan, stage: Stage) -> Challenge:
    """Return the challenge of a stage."""
    person = await person_fields(stage_context) if ask.person else {}
    return Challenge(
        component=stage.COMPONENT,
        fields={**person, **ask.fields},
        flow_info=flow_info(stage_context),
        response_errors=plan.errors,
        ticket=plan.ticket,
        page=stage.PAGE,
        notes=ask.notes,
    )


async def access_denied(stage_context: StageContext, message: str) -> Challenge:
    """Return the challenge of a denial."""
    fields = {**await person_fields(stage_context), "error_message": message}
    application = str(stage_context.mapping("application").get("name", ""))
    info = flow_info(stage_context)
    notes = {
        "request_id": stage_context.scratch.get(REFUSED, stage_context.request.request_id),
        "signed_in": stage_context.session.user is not None,
        "another": _another(stage_context, info) if fields["pending_user"] else "",
    }
    return Challenge(
        component=ACCESS_DENIED,
        fields=fields,
        flow_info=info,
        page=DENIED_PAGE,
        notes=notes,
        application=application,
    )


def _another(stage_context: StageContext, info: FlowInfo) -> str:
    """Return the URL for signing in as another user. The plan, which has it in its context, ends with the denial."""
    named = stage_context.text(ANOTHER_URL)
    if named and is_relative(named):
        return named
    if stage_context.session.user is not None:  # they must sign out first, or they would be denied again
        return f"{stage_context.request.prefix}/flows/-/default/invalidation/"
    return info.cancel_url


def flow_info(stage_context: StageContext) -> FlowInfo:
    """Return title, layout and cancel URL of a flow."""
    brand = select(stage_context.snapshot, stage_context.request.host)
    following, named = query_value(stage_context.query, "next"), query_value(stage_context.query, NAMED)
    cancel = stage_context.request.prefix + "/flows/-/cancel/"
    if following and is_relative(following):
        cancel += "?next=" + quote(following, safe="")
    elif named and page_key(stage_context.query):
        cancel += f"?{NAMED}={named}"
    return FlowInfo(
        title=_title(stage_context),
        layout=stage_context.flow.layout,
        cancel_url=cancel,
        background=stage_context.flow.background or brand.branding_default_flow_background,
    )


def _title(stage_context: StageContext) -> str:
    application = stage_context.mapping("application").get("name", "")
    user = stage_context.text("pending_user_identifier") or stage_context.session.who.get("username", "")
    return (
        stage_context.flow.title.replace("%(app)s", str(application)).replace("%(user)s", str(user)).replace("%%", "%")
    )
