"""The user login stage: only this stage signs a user in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from ostiary.directory.attempts import Account, known_address
from ostiary.directory.users import renew_proof, signed_in
from ostiary.flows.challenge_page import ChallengePage
from ostiary.flows.errors import PlanChanged
from ostiary.flows.interface.stage_context import Ask, Done, Refused, SignIn, StageContext, Verdict, wrong
from ostiary.flows.proofs.known_browser import remember as remember_browser
from ostiary.flows.proofs.passkeys import METHOD
from ostiary.flows.proofs.used_devices import used_devices
from ostiary.flows.resources import STAGE, Stage
from ostiary.proto.duration import parse_duration
from ostiary.resource import DURATION, Help, kind

if TYPE_CHECKING:
    from ostiary.directory.user import User


def _read_form(form: Mapping[str, object]) -> Mapping[str, object]:
    return {**form, "remember_me": form.get("remember_me") == "true"}


@kind(
    "authentik_stages_user_login.userloginstage",
    verbose_name="User Login Stage",
    component="ak-stage-user-login-form",
    routes="stages/user_login",
    families=(STAGE,),
)
class UserLoginStage(Stage):
    """Signs in the pending user."""

    COMPONENT: ClassVar[str] = "ak-stage-user-login"
    PAGE: ClassVar[ChallengePage] = ChallengePage(template="stages/user_login.html", read=_read_form)

    session_duration: Annotated[str, DURATION, Help("0 seconds: until the browser closes.")] = "seconds=0"
    terminate_other_sessions: bool = False
    remember_me_offset: Annotated[str, DURATION, Help("Added when the person asks to stay signed in.")] = "seconds=0"
    network_binding: Literal["no_binding", "bind_asn", "bind_asn_network", "bind_asn_network_ip"] = "no_binding"
    geoip_binding: Literal["no_binding", "bind_continent", "bind_continent_country", "bind_continent_country_city"] = (
        "no_binding"
    )
    remember_device: Annotated[str, DURATION, Help("How long a device counts as known.")] = "days=30"

    async def open(self, stage_context: StageContext) -> Verdict:
        """Sign in; first ask whether to stay signed in, if configured."""
        user = await self._user(stage_context)
        if user is None:
            return Refused("There is nobody to sign in.")
        if not user.is_active:
            stage_context.services.sign_ins.failed(user=user.username, address=stage_context.client, reason="inactive")
            return Refused("This account is not active.")
        if parse_duration(self.remember_me_offset) > 0:
            return Ask()
        return self._done(stage_context, user, remember=False)

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Sign in, for longer if the user chose so."""
        verdict = await self.open(stage_context)
        user = await self._user(stage_context)
        if not isinstance(verdict, Ask) or user is None:
            return verdict
        remember = answer.get("remember_me")
        if not isinstance(remember, bool):
            return wrong("remember_me", "Choose whether to stay signed in.", "required")
        return self._done(stage_context, user, remember=remember)

    async def _user(self, stage_context: StageContext) -> User | None:
        """Return the user that earlier stages proved. An earlier sign-in of the session does not count."""
        # guard: A30 only a user proven by a stage is signed in
        return await stage_context.person(stage_context.pending_pk) if stage_context.pending_pk is not None else None

    def _done(self, stage_context: StageContext, user: User, *, remember: bool) -> Done:
        method, arguments = stage_context.text("auth_method") or "", stage_context.mapping("auth_method_args")
        proof = SignIn(
            user=user,
            method=method,
            arguments=arguments,
            amr=_amr(method, arguments),
            duration=parse_duration(self.session_duration),
            remember=parse_duration(self.remember_me_offset) if remember else 0,
            terminate_others=self.terminate_other_sessions,
        )
        account = Account(user.pk, stage_context.text("pending_user_identifier") or user.username)
        duration = parse_duration(self.remember_device)
        remember_browser(
            stage_context.request, user, stage_context.services.cookie_key, duration=duration, now=stage_context.now
        )
        known = known_address(account, stage_context.client, stage_context.now)
        writes = (known, signed_in(user, stage_context.now, error=PlanChanged))
        if not self.terminate_other_sessions:
            return Done(writes=writes, sign_in=proof)
        renewed, others_end = renew_proof(user, error=PlanChanged)
        # guard: A72 a sign-in that ends the other sessions ends their waiting proofs
        return Done(writes=(*writes, others_end), sign_in=proof, proof=renewed)


def _amr(method: str, arguments: Mapping[str, object]) -> tuple[str, ...]:
    """Return the authentication method references (RFC 8176), with authentik's values.

    A passkey without a password is "user" and "mfa": it verified the user. A device that was set up in this flow does
    not count as a proof.
    """
    references = ["pwd"] if method in {"password", "app_password"} else ["user"] if method == METHOD else []
    if used_devices(arguments):
        references.append("mfa" if references else "otp")
    return tuple(references)
