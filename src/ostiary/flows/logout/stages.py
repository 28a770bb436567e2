"""The internal stages at the end of a logout: the confirmation, front-channel logout, the last page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from ostiary.flows.challenge_page import ChallengePage
from ostiary.flows.interface.stage_context import Ask, Done, StageContext, Verdict
from ostiary.flows.logout import iframes
from ostiary.flows.logout.session_end import SESSION_END, SESSION_END_PAGE, plan_application, session_end
from ostiary.flows.next_url import is_relative, query_value
from ostiary.flows.plans.logout import (
    ASK,
    END,
    END_SESSION,
    FRONTCHANNEL,
    SESSION_ENDED,
    URLS,
    frontchannel_urls,
)
from ostiary.flows.resources import Stage
from ostiary.record import dataclass


@dataclass(frozen=True, kw_only=True)
class EndSessionStage(Stage):
    """Ends the session, after a confirmation if the plan requires one (`plans.logout.END`)."""

    COMPONENT: ClassVar[str] = SESSION_END
    PAGE: ClassVar[ChallengePage] = SESSION_END_PAGE
    OWN_REQUEST: ClassVar[bool] = True

    async def open(self, stage_context: StageContext) -> Verdict:
        """End the session, ask, or pass."""
        wanted = stage_context.context.get(END)
        if stage_context.session.user is None or wanted not in (True, ASK):
            return Done()
        if wanted is True:
            return Done(sign_out=True)
        return await session_end(stage_context, confirm=True)

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Take the confirmation; anything but a yes means no. The session ends with the next request."""
        del stage_context
        wanted = answer.get("sign_out") in (True, "true")
        return Done(context={END: wanted}, insert=(END_SESSION,) if wanted else ())


@dataclass(frozen=True, kw_only=True)
class FrontChannelStage(Stage):
    """Runs front-channel logout in the browser (OpenID Connect Front-Channel Logout 1.0)."""

    COMPONENT: ClassVar[str] = "ak-provider-iframe-logout"
    PAGE: ClassVar[ChallengePage] = iframes.PAGE
    OWN_REQUEST: ClassVar[bool] = True

    async def open(self, stage_context: StageContext) -> Verdict:
        """Show the URLs to load, until the page continues or a headless client responds."""
        urls = frontchannel_urls(stage_context.context)
        if not urls or query_value(stage_context.query, iframes.LOADED) is not None:
            return Done(drop=(URLS,))
        return Ask({URLS: urls}, person=False)

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Continue: all URLs were loaded."""
        del stage_context, answer
        return Done(drop=(URLS,))


@dataclass(frozen=True, kw_only=True)
class SessionEndedStage(Stage):
    """Shows the last page of a logout that an application requested, unless it redirects to the application."""

    COMPONENT: ClassVar[str] = SESSION_END
    PAGE: ClassVar[ChallengePage] = SESSION_END_PAGE
    OWN_REQUEST: ClassVar[bool] = True

    async def open(self, stage_context: StageContext) -> Verdict:
        """Show the page, or pass if the flow redirects elsewhere."""
        following = query_value(stage_context.query, "next")
        refused = bool(following) and not is_relative(following or "")  # the end of the flow says so
        if stage_context.context.get("redirect") or refused or plan_application(stage_context) is None:
            return Done()
        return await session_end(stage_context)

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Show the page again; it needs no response."""
        del answer
        return await self.open(stage_context)


STAGES: Final[Mapping[str, Stage]] = {
    END_SESSION: EndSessionStage(pk=END_SESSION, name="end of the session"),
    FRONTCHANNEL: FrontChannelStage(pk=FRONTCHANNEL, name="front-channel logout"),
    SESSION_ENDED: SessionEndedStage(pk=SESSION_ENDED, name="session ended"),
}
