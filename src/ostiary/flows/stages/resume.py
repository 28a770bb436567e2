"""The confirmation before a link by mail is used. Opening the link changes nothing, because mail scanners open links.

The stage is internal. The dispatcher inserts it when the page of a flow is opened by a link (see `flows.links`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final

from ostiary.flows.challenge_page import ChallengePage, PageContext
from ostiary.flows.interface.stage_context import Ask, Refused, Resume, StageContext, Verdict
from ostiary.flows.links.repository import RESUME, FlowLink, use
from ostiary.flows.next_url import query_value
from ostiary.flows.plans.destination import FLOW_TOKEN
from ostiary.flows.resources import Stage
from ostiary.record import dataclass
from ostiary.seal import Secret

if TYPE_CHECKING:
    from ostiary.store.database import Statement

UNKNOWN: Final = "This link is not known here. Look whether the address is complete, or ask for a new link."
ENDED: Final[Mapping[str, str]] = {
    "used": "This link was used before. A link works once: ask for a new one.",
    "expired": "This link is too old. Ask for a new one.",
}
NO_ACCOUNT: Final = "The account that this link was for can no longer be used."
OTHER_ADDRESS: Final = "The e-mail address of this account has changed since the link was sent. Ask for a new one."
CHANGED: Final = "This account has changed since the link was sent. Ask for a new one."


def _page_values(page: PageContext) -> Mapping[str, object]:
    return {"person": page.notes.get("person", "")}


@dataclass(frozen=True, kw_only=True)
class ResumeStage(Stage):
    """Shows for whom the link is, and continues with its plan after the confirmation."""

    COMPONENT: ClassVar[str] = "ak-stage-email"
    PAGE: ClassVar[ChallengePage] = ChallengePage(template="stages/resume.html", values=_page_values)

    async def open(self, stage_context: StageContext) -> Verdict:
        """Ask for confirmation, or deny with the reason why the link is invalid."""
        found = await self._resume(stage_context)
        if isinstance(found, Refused):
            return found
        # guard: A31 a link by mail is used by an answer, not by opening it
        return Ask(person=False, notes={"person": found.link.address if found.user is None else found.user.username})

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Use the link."""
        del answer
        return await self._resume(stage_context)

    async def _resume(self, stage_context: StageContext) -> Resume | Refused:
        key = Secret(query_value(stage_context.query, FLOW_TOKEN) or "")
        found = await stage_context.services.links.read(key, stage_context.flow.slug, now=stage_context.now)
        link = found.link
        if link is None:
            return Refused(ENDED.get(found.state, UNKNOWN))
        writes = (use(key, now=stage_context.now),)
        if link.user is None:
            return Resume(link, None, writes)
        return await self._for_account(stage_context, link, link.user, writes)

    async def _for_account(
        self, stage_context: StageContext, link: FlowLink, pk: int, writes: tuple[Statement, ...]
    ) -> Resume | Refused:
        """Check that the account has not changed since the link was sent."""
        user = await stage_context.person(pk)
        if user is None or not (user.is_active or link.activates):
            return Refused(NO_ACCOUNT)
        # guard: A37 a link ends with the address that it was sent to
        if user.email.strip() != link.address:
            return Refused(OTHER_ADDRESS)
        # guard: A31 a new password ends the links that were sent before
        if user.stamp != link.stamp:
            return Refused(CHANGED)
        return Resume(link, user, writes)


INTERNAL_STAGES: Final[Mapping[str, Stage]] = {RESUME: ResumeStage(pk=RESUME, name="resume")}
"""Internal stages, which are not configurable."""
