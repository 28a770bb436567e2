"""The password stage: it verifies the password of the pending user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

from ostiary.brands.select import select
from ostiary.flows.challenge_page import ChallengePage
from ostiary.flows.error_detail import TOO_MANY
from ostiary.flows.interface.pending_user import pending_user
from ostiary.flows.interface.stage_context import Ask, Done, Refused, StageContext, Verdict, Wrong, text_of, wrong
from ostiary.flows.plans.destination import flow_page
from ostiary.flows.proofs.password_check import INBUILT, PasswordProven, prove_password
from ostiary.flows.proofs.reauthentication import REAUTHENTICATE
from ostiary.flows.resources import STAGE, ConfigurableStage, Flow, Stage
from ostiary.record import dataclass
from ostiary.resource import Length, Range, kind

Backend = Literal[
    "authentik.core.auth.InbuiltBackend",
    "authentik.core.auth.TokenBackend",
    "authentik.sources.ldap.auth.LDAPBackend",
    "authentik.sources.kerberos.auth.KerberosBackend",
]


@kind(
    "authentik_stages_password.passwordstage",
    verbose_name="Password Stage",
    component="ak-stage-password-form",
    routes="stages/password",
    families=(STAGE,),
)
class PasswordStage(ConfigurableStage):
    """Asks for the password and tries the backends in order."""

    COMPONENT: ClassVar[str] = "ak-stage-password"
    PAGE: ClassVar[ChallengePage] = ChallengePage(template="stages/password.html", cached=True, back=True)
    GUARD: ClassVar[bool] = True

    backends: Annotated[tuple[Backend, ...], Length(least=1)]
    failed_attempts_before_cancel: Annotated[int, Range(0, 2**31 - 1)] = 5
    allow_show_password: bool = False

    async def open(self, stage_context: StageContext) -> Verdict:
        """Ask for the password of the pending user, even if there is no such account."""
        if "pending_user" not in stage_context.context and stage_context.session.user is None:
            return Refused("There is nobody whose password could be asked for.")
        fields: dict[str, object] = {"allow_show_password": self.allow_show_password}
        recovery = recovery_url(stage_context)
        if recovery is not None:
            fields["recovery_url"] = recovery
        return Ask(fields)

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Check the password."""
        password = text_of(answer, "password")
        if not password:
            return wrong("password", "Enter your password.", "required")
        user = await pending_user(stage_context)
        typed = stage_context.text("pending_user_identifier") or (user.username if user is not None else "")
        result = await prove_password(stage_context, self, user=user, typed=typed, password=password)
        if isinstance(result, PasswordProven):
            return Done(context=result.context, writes=result.writes, proof=result.user, unread=True)
        failures = stage_context.scratch.get("failures")
        count = (failures if isinstance(failures, int) else 0) + 1
        if count >= self.failed_attempts_before_cancel > 0:
            return Refused(TOO_MANY, result.writes)
        verdict = wrong("password", "Invalid password")
        return Wrong(verdict.errors, scratch={"failures": count}, writes=result.writes)


def recovery_url(stage_context: StageContext) -> str | None:
    """Return the absolute address of the brand's recovery flow."""
    pk = select(stage_context.snapshot, stage_context.request.host).flow_recovery
    flow = stage_context.snapshot.get(Flow, pk) if pk is not None else None
    return flow_page(stage_context.request.base_url, flow.slug) if flow is not None else None


@dataclass(frozen=True, kw_only=True)
class ReauthenticationStage(PasswordStage):
    """Asks the signed-in user for the password again. It is internal (see `proofs.reauthentication`).

    The planner inserts it before the first stage of a flow that changes a password, or before the stage that writes
    it.
    """

    COMPONENT: ClassVar[str] = PasswordStage.COMPONENT

    async def open(self, stage_context: StageContext) -> Verdict:
        """Ask for the current password."""
        verdict = await PasswordStage.open(self, stage_context)
        return Ask({**verdict.fields, "reauthenticate": True}) if isinstance(verdict, Ask) else verdict


INTERNAL_STAGES: Final[Mapping[str, Stage]] = {
    REAUTHENTICATE: ReauthenticationStage(pk=REAUTHENTICATE, name="reauthentication", backends=(INBUILT,)),
}
"""Internal stages, which are not configurable."""
