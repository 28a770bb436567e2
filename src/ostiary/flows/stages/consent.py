"""The consent stage: the user allows an application its requested permissions."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from ostiary.flows.challenge_page import ChallengePage, PageContext
from ostiary.flows.consents import keep
from ostiary.flows.interface.stage_context import Ask, Declined, Done, Refused, StageContext, Verdict, text_of, wrong
from ostiary.flows.resources import STAGE, Stage
from ostiary.proto.duration import parse_duration
from ostiary.resource import DURATION, Help, kind


def _page_values(page: PageContext) -> Mapping[str, object]:
    return {"header": page.interpolate(str(page.fields.get("header_text") or ""))}


@kind(
    "authentik_stages_consent.consentstage",
    verbose_name="Consent Stage",
    component="ak-stage-consent-form",
    routes="stages/consent",
    families=(STAGE,),
)
class ConsentStage(Stage):
    """Asks for consent to the requested permissions, and stores it as `mode` says."""

    COMPONENT: ClassVar[str] = "ak-stage-consent"
    PAGE: ClassVar[ChallengePage] = ChallengePage(template="stages/consent.html", values=_page_values, cached=True)
    GUARD: ClassVar[bool] = True

    mode: Literal["always_require", "permanent", "expiring"] = "expiring"
    consent_expire_in: Annotated[str, DURATION, Help("How long an expiring consent holds.")] = "weeks=4"

    async def open(self, stage_context: StageContext) -> Verdict:
        """Ask, unless a valid consent covers all requested permissions."""
        user, application = stage_context.session.user, stage_context.mapping("application")
        if user is None:
            return Refused("Sign in first.")
        wanted = _permissions(stage_context)
        given = await self._given(stage_context, user)
        asked_anyway = stage_context.context.get("consent_always") is True
        unasked = [one for one in wanted if given is not None and one["name"] and one["id"] not in given]
        if given is not None and not asked_anyway and not unasked:
            return Done()
        token = stage_context.scratch.get("token")
        if not isinstance(token, str):
            token = secrets.token_urlsafe(24)
        header = (
            stage_context.text("consent_header") or f"{application.get('name', '')} would like to know who you are."
        )
        return Ask(
            {
                "header_text": header.strip(),
                "permissions": [one for one in wanted if one not in unasked],
                "additional_permissions": unasked,
                "token": token,
            },
            scratch={"token": token},
        )

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Accept a consent with the token of this challenge, and store it as the mode says.

        With `deny` the user declines. This is an extension: authentik's page has no such button.
        """
        token, user = stage_context.scratch.get("token"), stage_context.session.user
        if (
            user is None
            or not isinstance(token, str)
            or not hmac.compare_digest(token.encode(), text_of(answer, "token").encode("utf-8", "replace"))
        ):
            return wrong("token", "This page is out of date. Look at it again.")
        if answer.get("deny") in (True, "true"):
            return Declined()
        pk = stage_context.mapping("application").get("pk")
        if self.mode == "always_require" or not isinstance(pk, str):
            return Done()
        allowed = {one["id"] for one in _permissions(stage_context)} | (
            await self._given(stage_context, user) or frozenset()
        )
        expires = stage_context.now + parse_duration(self.consent_expire_in) if self.mode == "expiring" else None
        return Done(writes=(keep(user, pk, allowed, now=stage_context.now, expires=expires),))

    async def _given(self, stage_context: StageContext, user: int) -> frozenset[str] | None:
        pk = stage_context.mapping("application").get("pk")
        if self.mode == "always_require" or not isinstance(pk, str):
            return None
        return await stage_context.services.consents.given(user, pk, now=stage_context.now)


def _permissions(stage_context: StageContext) -> list[dict[str, str]]:
    """Return the requested permissions from the plan context, each with id and name.

    One without a name, such as the scope openid, needs no consent.
    """
    value = stage_context.context.get("consent_permissions")
    items = value if isinstance(value, list) else []
    return [{"id": str(one["id"]), "name": str(one["name"])} for one in items if isinstance(one, Mapping)]
