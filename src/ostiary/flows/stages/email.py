"""The e-mail stage: it passes when the user opens a link that was sent to their address."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

from ostiary.brands.select import select
from ostiary.directory.errors import Busy
from ostiary.directory.resources import USER
from ostiary.flows.challenge_page import ChallengePage, PageContext
from ostiary.flows.interface.pending_user import pending_user
from ostiary.flows.interface.stage_context import Ask, Done, StageContext, StageFailed, Verdict, Wrong, wrong
from ostiary.flows.links.link_url import link_address
from ostiary.flows.links.message import DEFAULT_SUBJECT, link_message, measured
from ostiary.flows.links.repository import IS_RESTORED, FlowLink, new_key
from ostiary.flows.resources import STAGE, Stage
from ostiary.mail.errors import BadAddress
from ostiary.mail.message import sender_parts
from ostiary.mail.wording import PASSWORD_RESET
from ostiary.proto.duration import parse_duration
from ostiary.resource import DURATION, Help, InvalidResource, Length, Problem, Range, Reading, Sealed, kind
from ostiary.seal import Secret
from ostiary.settings import EmailSettings

if TYPE_CHECKING:
    from ostiary.directory.user import User
    from ostiary.store.database import Statement
    from ostiary.store.workspace.editor import Workspace

EMAIL: Final = "email"
"""Key of the plan context: the recipient if there is no account yet. An account gets mail at its own address."""
SENT_CODE: Final = "email-sent"
_SENT: Final = "sent"
log: Final = logging.getLogger("ostiary.flows")


def _page_values(page: PageContext) -> Mapping[str, object]:
    """Show "sent again" as a notice. In authentik's protocol it is an error of the response."""
    return {
        "errors": {},
        "again": not page.focus,
        "person": page.notes.get("person", ""),
        "number": page.notes.get("number", 0),
        "unit": page.notes.get("unit", ""),
    }


def _validate_sender(stage: EmailStage) -> Iterable[Problem]:
    try:
        sender_parts(stage.from_address)
    except BadAddress as error:
        yield Problem("from_address", str(error))


@kind(
    "authentik_stages_email.emailstage",
    verbose_name="Email Stage",
    component="ak-stage-email-form",
    routes="stages/email",
    families=(STAGE,),
    check=_validate_sender,
)
class EmailStage(Stage):
    """Sends a link by mail, and passes when it continues the flow. It does not reveal whether the account exists."""

    COMPONENT: ClassVar[str] = "ak-stage-email"
    PAGE: ClassVar[ChallengePage] = ChallengePage(template="stages/email.html", values=_page_values)

    use_global_settings: Annotated[bool, Help("Send through the server of the settings, not the one named here.")] = (
        False
    )
    host: str = "localhost"
    port: Annotated[int, Range(0, 65_535)] = 25
    username: str = ""
    password: Annotated[Secret, Sealed(Reading.WRITE_ONLY)] = Secret("")
    use_tls: Annotated[bool, Help("STARTTLS.")] = False
    use_ssl: Annotated[bool, Help("TLS from the start.")] = False
    timeout: Annotated[int, Range(1, 300), Help("Seconds.")] = 10
    from_address: Annotated[str, Length(least=1)] = "system@authentik.local"
    token_expiry: Annotated[str, DURATION, Help("How long a link works.")] = "minutes=30"  # noqa: S105 - a duration
    subject: Annotated[str, Help("That of the template while it is the default.")] = DEFAULT_SUBJECT
    template: str = PASSWORD_RESET
    activate_user_on_success: Annotated[bool, Help("The link makes an inactive account active.")] = False
    recovery_max_attempts: Annotated[int, Range(0, 2**31 - 1), Help("Messages to one address.")] = 5
    recovery_cache_timeout: Annotated[str, DURATION, Help("The time in which those are counted.")] = "minutes=5"

    async def open(self, stage_context: StageContext) -> Verdict:
        """Send the link when first shown; pass when it was opened."""
        user = await pending_user(stage_context)
        restored = stage_context.context.get(IS_RESTORED)
        # guard: A37 a link proves only the person it was sent for
        if isinstance(restored, Mapping) and restored.get("user") == (None if user is None else user.pk):
            return self._followed(stage_context, user)
        if _SENT in stage_context.scratch:
            return self._ask(stage_context)
        writes = await self._send(stage_context, user)
        return self._ask(stage_context, scratch={_SENT: True}, writes=writes)

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Send another link."""
        del answer
        writes = await self._send(stage_context, await pending_user(stage_context))
        return Wrong(wrong("non_field_errors", "The message was sent.", SENT_CODE).errors, writes=writes)

    def _ask(
        self,
        stage_context: StageContext,
        *,
        scratch: Mapping[str, object] | None = None,
        writes: tuple[Statement, ...] = (),
    ) -> Ask:
        # Only the typed name: one from the directory would reveal that the account exists (A42).
        name = stage_context.text("pending_user_identifier") or ""
        number, unit = measured(parse_duration(self.token_expiry))
        notes = {"person": name, "number": number, "unit": unit}
        return Ask(scratch=scratch, person=False, notes=notes, writes=writes)

    async def _send(self, stage_context: StageContext, user: User | None) -> tuple[Statement, ...]:
        """Return the statements that send a link; none without a recipient or after too many links."""
        address = self._address(stage_context, user)
        since = stage_context.now - parse_duration(self.recovery_cache_timeout)
        sent = await stage_context.services.links.count(address, since=since)
        # guard: A42 a mailbox gets only so many links, and the page does not tell
        if address and sent >= self.recovery_max_attempts:
            log.warning("stage %s sent no mail: %d links to this address lately", self.name, sent)
            return ()
        if not address:
            log.info("stage %s sent no mail: nobody can be written to by the name that was given", self.name)
            return ()
        try:
            return self._link(stage_context, user, address)
        except BadAddress:
            log.warning("stage %s sent no mail: the address of the account is none", self.name)
            return ()

    def _address(self, stage_context: StageContext, user: User | None) -> str:
        """Return the recipient's address, "" if there is none."""
        # guard: A37 a stored account gets its link at its own address
        if user is None:
            return (stage_context.text(EMAIL) or "").strip()
        return user.email.strip() if user.is_active or self.activate_user_on_success else ""

    def _link(self, stage_context: StageContext, user: User | None, address: str) -> tuple[Statement, ...]:
        """Return the statements of a new link and its message. Raises BadAddress."""
        request, key, lifetime = stage_context.request, new_key(), parse_duration(self.token_expiry)
        context = dict(stage_context.context)
        if user is not None:
            context["pending_user"] = {"pk": user.pk, "username": user.username}
        link = FlowLink(
            plan=stage_context.plan.to(context=context, scratch={}, errors={}, shown=False),
            user=None if user is None else user.pk,
            stamp="" if user is None else user.stamp,
            address=address,
            activates=self.activate_user_on_success,
        )
        message = link_message(
            template=self.template,
            subject=self.subject,
            recipient=address,
            account=address if user is None else user.username,
            brand=select(stage_context.snapshot, request.host).branding_title,
            url=link_address(request.base_url, stage_context.flow.slug, key.reveal(), stage_context.query),
            lifetime=lifetime,
            now=stage_context.now,
        )
        services, now = stage_context.services, stage_context.now
        stored = services.links.put(key, link, slug=stage_context.flow.slug, now=now, expires=now + lifetime)
        return (stored, *services.outbox.post(message, now=now, server=self._server()))

    def _server(self) -> EmailSettings | None:
        if self.use_global_settings:
            return None
        return EmailSettings(
            host=self.host,
            port=self.port,
            username=self.username,
            password=self.password,
            use_tls=self.use_tls,
            use_ssl=self.use_ssl,
            timeout=self.timeout,
            sender=self.from_address,
        )

    def _followed(self, stage_context: StageContext, user: User | None) -> Done:
        if user is None or user.is_active or not self.activate_user_on_success:
            return Done()
        return Done(commit=lambda: self._activate(stage_context, user))

    async def _activate(self, stage_context: StageContext, user: User) -> Mapping[str, object]:
        """Activate the account, with an ordinary save. Raises StageFailed."""

        async def work(workspace: Workspace) -> None:
            stored = await workspace.get(USER, user.pk)
            if stored is None:
                raise StageFailed("This account does not exist any more.")
            await workspace.update(stored, {"is_active": True})

        try:
            await stage_context.services.editor.edit(
                work,
                author=f"flow {stage_context.flow.slug}",
                message=f"Address confirmed at stage {self.name}",
                now=stage_context.now,
            )
        except (InvalidResource, Busy) as error:
            raise StageFailed("This account cannot be made active now.") from error
        return {}
