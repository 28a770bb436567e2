"""The identification stage: it finds the user by username or e-mail address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, cast

from ostiary.brands.pictures import picture
from ostiary.flows.challenge_page import ChallengePage, PageContext, Translate
from ostiary.flows.error_detail import TOO_MANY
from ostiary.flows.interface.stage_context import Ask, Done, Refused, StageContext, Verdict, Wrong, text_of, wrong
from ostiary.flows.links.link_url import without_link
from ostiary.flows.plans.destination import flow_page
from ostiary.flows.proofs.passkeys import (
    CLASS,
    PasskeyRules,
    ProvenPasskey,
    asked_of_anybody,
    prove_passkey,
    read_json,
)
from ostiary.flows.proofs.password_check import PasswordFailed, PasswordProven, PasswordRules, prove_password
from ostiary.flows.resources import STAGE, Flow, Stage
from ostiary.record import dataclass
from ostiary.resource import Help, OnDelete, Reference, kind

if TYPE_CHECKING:
    from ostiary.directory.user import User

_MAX_TYPED_LENGTH: Final = 254  # characters: the longest e-mail address
_PASSWORD_STAGE: Final = "authentik_stages_password.passwordstage"  # noqa: S105 - a kind
_VALIDATE_STAGE: Final = "authentik_stages_authenticator_validate.authenticatorvalidatestage"
_FLOW = Reference("authentik_flows.flow", OnDelete.SET_NULL)


@dataclass(frozen=True, slots=True)
class SourceButton:
    """A button for signing in through a source."""

    name: str
    icon: str
    promoted: bool
    url: str


def _page_values(page: PageContext) -> Mapping[str, object]:
    label = _uid_label(page.fields.get("user_fields"), page.translate)
    sources = page.fields.get("sources")
    return {
        "uid_label": label,
        "sources": [_source(one) for one in sources if isinstance(one, Mapping)]
        if isinstance(sources, Sequence)
        else [],
        "labels": {"uid_field": label, "password": page.translate("Password")},
    }


def _read_form(form: Mapping[str, object]) -> Mapping[str, object]:
    return {**form, "passkey": read_json(form["passkey"])} if "passkey" in form else form


def _uid_label(user_fields: object, translate: Translate) -> str:
    _ = translate
    names = {"email": _("E-mail"), "username": _("Username"), "upn": _("Principal name")}
    kinds = [str(one) for one in user_fields] if isinstance(user_fields, Sequence) else []
    if {"email", "username"} <= set(kinds):
        return _("E-mail or username")
    return " / ".join(names.get(kind, kind) for kind in kinds)


def _source(one: Mapping[str, object]) -> SourceButton:
    challenge = one.get("challenge")
    to = challenge.get("to") if isinstance(challenge, Mapping) else ""
    return SourceButton(
        name=str(one.get("name") or ""),
        icon=picture(str(one.get("icon_url") or "")),
        promoted=bool(one.get("promoted")),
        url=str(to or ""),
    )


@kind(
    "authentik_stages_identification.identificationstage",
    verbose_name="Identification Stage",
    component="ak-stage-identification-form",
    routes="stages/identification",
    families=(STAGE,),
)
class IdentificationStage(Stage):
    """Asks for a user name or an e-mail address, with the password on the same page when `password_stage` is set."""

    COMPONENT: ClassVar[str] = "ak-stage-identification"
    PAGE: ClassVar[ChallengePage] = ChallengePage(
        template="stages/identification.html",
        values=_page_values,
        read=_read_form,
        refilled=lambda _fields: ("uid_field",),
        cached=True,
    )

    user_fields: tuple[Literal["email", "username", "upn"], ...] = ()
    password_stage: Annotated[str | None, Reference("authentik_stages_password.passwordstage", OnDelete.SET_NULL)] = (
        None
    )
    captcha_stage: Annotated[str | None, Reference("authentik_stages_captcha.captchastage", OnDelete.SET_NULL)] = None
    case_insensitive_matching: bool = True
    show_matched_user: bool = True
    enrollment_flow: Annotated[str | None, _FLOW] = None
    recovery_flow: Annotated[str | None, _FLOW] = None
    passwordless_flow: Annotated[str | None, _FLOW] = None
    sources: Annotated[tuple[str, ...], Reference("authentik_core.source", OnDelete.SET_NULL)] = ()
    show_source_labels: bool = False
    pretend_user_exists: bool = True
    enable_remember_me: bool = False
    webauthn_stage: Annotated[
        str | None,
        Reference(_VALIDATE_STAGE, OnDelete.SET_NULL),
        Help("Offers passkeys in the field of the name, by the rules of this stage."),
    ] = None

    async def open(self, stage_context: StageContext) -> Verdict:
        """Ask for the name, unless the user is proven, or the application names them and nothing else is asked."""
        if "user_backend" in stage_context.context and stage_context.pending_pk is not None:
            return Done()
        hint = stage_context.text("pending_user_identifier")
        alone = self.password_stage is None and self.captcha_stage is None and self.webauthn_stage is None
        if hint and alone and not stage_context.bound and "hint_used" not in stage_context.context:
            result = await self._identify(stage_context, hint)
            if isinstance(result, Done):
                return result
        rules = self._passkeys(stage_context)
        asked = None if rules is None else await asked_of_anybody(stage_context, rules)
        if asked is None:
            return Ask(self._fields(stage_context, None), person=False)
        scratch = {**stage_context.scratch, CLASS: asked.state}
        return Ask(self._fields(stage_context, asked.public), scratch=scratch, person=False)

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Find the user, and check the password if it is on the same page. A passkey needs neither."""
        demanded, response = self._passkeys(stage_context), answer.get("passkey")
        if demanded is not None and isinstance(response, Mapping):
            return await self._passkey(stage_context, demanded, response)
        typed = text_of(answer, "uid_field").strip()
        if not typed or len(typed) > _MAX_TYPED_LENGTH:
            return wrong("uid_field", "Enter your user name or e-mail address.", "required")
        if self.password_stage is None:
            return await self._identify(stage_context, typed)
        rules = stage_context.snapshot.resolve(_PASSWORD_STAGE, self.password_stage)
        password = text_of(answer, "password")
        if rules is None or not password:
            return wrong("password", "Enter your password.", "required")
        user = await self._find(stage_context, typed)
        result = await prove_password(
            stage_context, cast("PasswordRules", rules), user=user, typed=typed, password=password
        )
        if isinstance(result, PasswordProven):
            context = {**result.context, "pending_user_identifier": typed}
            return Done(context=context, writes=result.writes, proof=result.user, unread=True)
        return self._failed(stage_context, rules, result)

    def _failed(self, stage_context: StageContext, rules: object, result: PasswordFailed) -> Verdict:
        failures = stage_context.scratch.get("failures")
        count = (failures if isinstance(failures, int) else 0) + 1
        if count >= int(getattr(rules, "failed_attempts_before_cancel", 0)) > 0:
            return Refused(TOO_MANY, result.writes)
        verdict = wrong("non_field_errors", "Failed to authenticate.")
        return Wrong(verdict.errors, scratch={**stage_context.scratch, "failures": count}, writes=result.writes)

    async def _find(self, stage_context: StageContext, typed: str) -> User | None:
        return await stage_context.services.users.by_login(
            self.user_fields, typed, caseless=self.case_insensitive_matching
        )

    async def _identify(self, stage_context: StageContext, typed: str) -> Verdict:
        """Set the pending user. With `pretend_user_exists` the flow continues for unknown names too, without a user."""
        user = await self._find(stage_context, typed)
        if user is None:
            stage_context.services.sign_ins.failed(user=None, address=stage_context.client, reason="unknown_user")
            if not self.pretend_user_exists:
                return wrong("uid_field", "There is no such account.")
        pending = {"pk": None, "username": typed} if user is None else {"pk": user.pk, "username": user.username}
        return Done(context={"pending_user": pending, "pending_user_identifier": typed, "hint_used": True})

    def _passkeys(self, stage_context: StageContext) -> PasskeyRules | None:
        """Return what is demanded of a passkey that answers in place of a name; None where none may."""
        if self.webauthn_stage is None:
            return None
        return cast("PasskeyRules | None", stage_context.snapshot.resolve(_VALIDATE_STAGE, self.webauthn_stage))

    async def _passkey(self, stage_context: StageContext, rules: PasskeyRules, response: object) -> Verdict:
        """Sign in by a passkey alone."""
        result = await prove_passkey(stage_context, rules, response)
        if isinstance(result, ProvenPasskey):
            return Done(context=result.context, proof=result.user)
        scratch = {key: value for key, value in stage_context.scratch.items() if key != CLASS}
        return Wrong(wrong("passkey", result.message, result.code).errors, scratch=scratch, writes=result.writes)

    def _fields(self, stage_context: StageContext, passkey: Mapping[str, object] | None) -> dict[str, object]:
        application = stage_context.mapping("application")
        rules = stage_context.snapshot.resolve(_PASSWORD_STAGE, self.password_stage) if self.password_stage else None
        fields: dict[str, object] = {
            "user_fields": list(self.user_fields),
            "password_fields": self.password_stage is not None,
            "allow_show_password": bool(getattr(rules, "allow_show_password", False)),
            "flow_designation": stage_context.flow.designation,
            "captcha_stage": None,
            "passkey_challenge": passkey,
            "primary_action": "Continue" if self.password_stage is None else "Log in",
            "sources": [],
            "show_source_labels": self.show_source_labels,
            "enable_remember_me": self.enable_remember_me,
            "pending_user_identifier": stage_context.text("pending_user_identifier"),
        }
        if application.get("name"):
            fields["application_pre"] = application["name"]
        links = (("enroll_url", self.enrollment_flow), ("recovery_url", self.recovery_flow))
        for name, pk in (*links, ("passwordless_url", self.passwordless_flow)):
            flow = stage_context.snapshot.get(Flow, pk) if pk is not None else None
            if flow is not None:
                fields[name] = flow_page(stage_context.request.prefix, flow.slug, without_link(stage_context.query))
        return fields
