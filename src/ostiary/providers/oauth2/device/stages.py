"""The steps of the device flow that no administrator sets up: they are put behind the stages of a flow (RFC 8628 3.3).

Enter the code; allow it; leave the answer for the device; say that it is done. Or say no, and the
device gets access_denied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import quote

from ostiary.flows.challenge_page import ChallengePage
from ostiary.flows.errors import PlanChanged
from ostiary.flows.interface.stage_context import Ask, Done, Refused, StageContext, Verdict, wrong
from ostiary.flows.resources import Stage
from ostiary.flows.stages.consent import ConsentStage
from ostiary.grants.counters import hit
from ostiary.grants.device_codes import (
    DeviceGrant,
    approve_device,
    claim_device,
    deny_device,
    find_claimed,
    find_device,
)
from ostiary.grants.session_clients import join_session
from ostiary.proto.oauth2.device_authorization import read_user_code
from ostiary.providers.oauth2.audit_events import authorized
from ostiary.providers.oauth2.provider.client import client_by_provider
from ostiary.providers.oauth2.provider.fields import DEVICE_CODE
from ostiary.providers.oauth2.tokens.new_authorization import new_authorization
from ostiary.record import dataclass
from ostiary.signon.final_commit import finish_in_flow
from ostiary.signon.person import person_of
from ostiary.store.hashing import token_hash
from ostiary.web.addresses import address_key

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.providers.oauth2.provider.client import Client
    from ostiary.store.database import Batch, Statement

CODE: Final = "oauth2.device-code"
CONSENT: Final = "oauth2.device-consent"
APPROVE: Final = "oauth2.device-approve"
FINISH: Final = "oauth2.device-finish"
DECLINED: Final = "oauth2.device-declined"

WINDOW: Final = 3_600_000_000  # microseconds in which attempts are counted
MAX_BY_SESSION: Final = 10
MAX_BY_PERSON: Final = 20
MAX_BY_ADDRESS: Final = 60

_GONE: Final = "This code is no longer valid. Start again."
_DECLINED: Final = "You did not allow it. The device is not signed in."
_NOTHING: Final = "No device is waiting with this code."
_TOO_OFTEN: Final = "Too many codes were tried. Wait an hour."


@dataclass(frozen=True, kw_only=True)
class DeviceCodeStage(Stage):
    """Asks for the code of a device. Every attempt counts, right or wrong, before it is looked at (RFC 8628 5.1)."""

    COMPONENT: ClassVar[str] = "ak-provider-oauth2-device-code"
    PAGE: ClassVar[ChallengePage] = ChallengePage(template="stages/device_code.html")

    async def open(self, stage_context: StageContext) -> Verdict:
        """Ask; a code that came with the link is filled in, never taken by itself (5.4)."""
        code = stage_context.text("device_code")
        return Ask({"code": code} if code else {})

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Find the device that waits, tie it to this session, and go on to its application."""
        code = read_user_code(answer.get("code"))
        if code is None:
            return wrong("code", "A code has nine digits.")
        # guard: A13 guessing user codes is limited
        if await _is_too_often(stage_context):
            return wrong("code", _TOO_OFTEN, "throttled")
        item = await find_device(stage_context.services.database, token_hash(code), now=stage_context.now)
        if item is None or item.session not in {None, stage_context.session.key}:
            return wrong("code", _NOTHING)
        return Done(
            context={"redirect": f"{stage_context.request.prefix}/device/authorize/?code={quote(code)}"},
            writes=(claim_device(item, stage_context.session.key, error=PlanChanged),),
        )


@dataclass(frozen=True, kw_only=True)
class DeviceApproveStage(Stage):
    """Leaves the authorization for the device. It stands behind everything the person had to pass."""

    COMPONENT: ClassVar[str] = "ak-provider-oauth2-device-code-finish"

    async def open(self, stage_context: StageContext) -> Verdict:
        """Approve, with everything looked at once more: the request, the person, the policies."""
        item = await _claimed(stage_context)
        subject = await person_of(stage_context.services.users, stage_context.session)
        client = None if item is None else client_by_provider(stage_context.snapshot, item.provider)
        if item is None or client is None or subject is None:
            return Refused(_GONE)
        return await finish_in_flow(
            stage_context,
            partial(_approval, stage_context, client, subject, item),
            subject=subject,
            application=client.application,
            facts=policy_facts(item),
            drop=("device_grant",),
            if_refused=(deny_device(item),),
        )

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Approve all the same: this step asks nothing."""
        del answer
        return await self.open(stage_context)


@dataclass(frozen=True, kw_only=True)
class DeviceDeclinedStage(Stage):
    """Tells the device that its person said no (RFC 8628 3.5, access_denied)."""

    async def open(self, stage_context: StageContext) -> Verdict:
        """Tell it, and end here."""
        item = await _claimed(stage_context)
        # guard: A13 a declined device receives access_denied
        return Refused(_DECLINED, () if item is None else (deny_device(item),))

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Tell it all the same: this step asks nothing."""
        del answer
        return await self.open(stage_context)


@dataclass(frozen=True, kw_only=True)
class DeviceFinishStage(Stage):
    """Says that the person may go back to their device."""

    COMPONENT: ClassVar[str] = "ak-provider-oauth2-device-code-finish"
    PAGE: ClassVar[ChallengePage] = ChallengePage(template="stages/device_code_finish.html")

    async def open(self, stage_context: StageContext) -> Verdict:
        """Show it."""
        del stage_context
        return Ask()

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Go on."""
        del stage_context, answer
        return Done()


STAGES: Final[Mapping[str, Stage]] = {
    CODE: DeviceCodeStage(pk=CODE, name=CODE),
    CONSENT: ConsentStage(pk=CONSENT, name=CONSENT, mode="always_require"),
    APPROVE: DeviceApproveStage(pk=APPROVE, name=APPROVE),
    FINISH: DeviceFinishStage(pk=FINISH, name=FINISH),
    DECLINED: DeviceDeclinedStage(pk=DECLINED, name=DECLINED),
}
"""For `flows.services.Services.internal_stages`."""


def policy_facts(item: DeviceGrant) -> Mapping[str, object]:
    """Return the facts of the request for the policies of the application."""
    return {"oauth_scopes": list(item.scope), "oauth_grant_type": DEVICE_CODE}


def _approval(stage_context: StageContext, client: Client, subject: Subject, item: DeviceGrant) -> Sequence[Statement]:
    """Return what the device fetches, and what is noted of it."""
    now = stage_context.now
    authorization = new_authorization(
        client, stage_context.session, subject, scope=item.scope, salt=stage_context.services.users.install_id, now=now
    )
    expires = max(item.expires, now + client.access_lifetime)
    return (
        *approve_device(item, authorization, now=now, expires=expires, error=PlanChanged),
        *join_session(authorization, issuer=client.issuer(stage_context.request.base_url)),
        authorized(client, subject, scope=item.scope, client_ip=stage_context.client, now=now, flow="device_code"),
    )


async def _is_too_often(stage_context: StageContext) -> bool:
    limits = {
        f"user-code:session:{stage_context.session.key.hex()}": MAX_BY_SESSION,
        f"user-code:user:{stage_context.session.user}": MAX_BY_PERSON,
        f"user-code:{address_key(stage_context.client)}": MAX_BY_ADDRESS,
    }

    def count() -> Batch[bool]:
        over = False
        for key, most in limits.items():
            over = (yield from hit(key, window=WINDOW, now=stage_context.now)) > most or over
        return over

    return await stage_context.services.database.write(count)


async def _claimed(stage_context: StageContext) -> DeviceGrant | None:
    name = stage_context.text("device_grant")
    if name is None:
        return None
    return await find_claimed(
        stage_context.services.database, bytes.fromhex(name), stage_context.session.key, now=stage_context.now
    )
