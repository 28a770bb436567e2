"""The password stage: proves who the pending user is by something they know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from ostiary.brands.select import select
from ostiary.flows.people.pending_user import pending_user
from ostiary.flows.proofs.password_check import TOO_MANY, Proven, check_password
from ostiary.flows.resources import STAGE, ConfigurableStage, Flow
from ostiary.flows.run.stage_context import Ask, Done, Refused, Verdict, Visit, Wrong, text_of, wrong
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
    GUARD: ClassVar[bool] = True

    backends: Annotated[tuple[Backend, ...], Length(least=1)]
    failed_attempts_before_cancel: Annotated[int, Range(0, 2**31 - 1)] = 5
    allow_show_password: bool = False

    async def open(self, visit: Visit) -> Verdict:
        """Ask for the password of the pending user, who may not exist."""
        if "pending_user" not in visit.context and visit.session.user is None:
            return Refused("There is nobody whose password could be asked for.")
        fields: dict[str, object] = {"allow_show_password": self.allow_show_password}
        recovery = recovery_url(visit)
        if recovery is not None:
            fields["recovery_url"] = recovery
        return Ask(fields)

    async def answer(self, visit: Visit, answer: Mapping[str, object]) -> Verdict:
        """Check the password."""
        password = text_of(answer, "password")
        if not password:
            return wrong("password", "Enter your password.", "required")
        user = await pending_user(visit)
        typed = visit.text("pending_user_identifier") or (user.username if user is not None else "")
        found = await check_password(visit, self, user=user, typed=typed, password=password)
        if isinstance(found, Proven):
            return Done(context=found.context, writes=found.writes, proof=found.user, unread=True)
        failures = visit.scratch.get("failures")
        count = (failures if isinstance(failures, int) else 0) + 1
        if count >= self.failed_attempts_before_cancel > 0:
            return Refused(TOO_MANY, found.writes)
        verdict = wrong("password", "Invalid password")
        return Wrong(verdict.errors, scratch={"failures": count}, writes=found.writes)


def recovery_url(visit: Visit) -> str | None:
    """Return the absolute address of the brand's recovery flow."""
    pk = select(visit.snapshot, visit.request.host).flow_recovery
    flow = visit.snapshot.get(Flow, pk) if pk is not None else None
    return f"{visit.request.base_url}/if/flow/{flow.slug}/" if flow is not None else None
