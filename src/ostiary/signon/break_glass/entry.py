"""What a break-glass code opens: a session of its superuser, without flow or second factor, and with noise."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ostiary.directory.group_tree import read_group_tree
from ostiary.directory.users import signed_in
from ostiary.events.event import event
from ostiary.flows.errors import PlanChanged
from ostiary.mail.errors import BadAddress
from ostiary.mail.message import Message
from ostiary.record import dataclass
from ostiary.sessions.sessions import SessionLogin
from ostiary.signon.break_glass.codes import USED, BreakGlassCodes, use_up
from ostiary.web.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ostiary.directory.user import User
    from ostiary.events.signin_log import SignInLog
    from ostiary.mail.outbox import Outbox
    from ostiary.seal import Secret
    from ostiary.signon.services import SignOnServices
    from ostiary.store.database import Statement
    from ostiary.web.request import Request

METHOD: Final = "break_glass"
NOT_VALID: Final = "This code is not valid, or it was used before."
_LOGGER: Final = logging.getLogger("ostiary.signon")
_HOUR: Final = 3_600_000_000  # microseconds
_MAIL_FOR: Final = 48 * _HOUR
_ADVICE: Final = (
    "If it was none of you: end all sessions of that account (ostiary user revoke), delete its codes"
    " (ostiary break-glass revoke), and look for what was done since."
)
_MOST_TOLD: Final = 50  # superusers who are written to


class _Raced(Exception):
    """Somebody else used the code at the same moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakGlass:
    """The service behind the page for codes."""

    codes: BreakGlassCodes
    sign_on: SignOnServices
    outbox: Outbox
    sign_ins: SignInLog

    async def enter(self, request: Request, code: Secret, now: int) -> str:
        """Use a code up, sign its user in for an hour, and return the path to go to.

        Raises BadRequest, which looks the same for every code that does not open anything.
        """
        owner = await self.codes.owner(code)
        subject = None if owner is None else await self.sign_on.users.subject(owner)
        # guard: A31 a break-glass code opens for active superusers only
        if subject is None or not subject.user.is_active or not subject.is_superuser:
            reason = "no such code" if subject is None else "its user is not an active superuser"
            raise self._refusal(request, reason, None if subject is None else subject.user)
        user = subject.user
        session = await self.sign_on.sessions.ensure(request, now)
        proof = SessionLogin(user=user.pk, who=user.who, auth_method=METHOD, duration=_HOUR)
        # guard: A31 a break-glass code is used up by the sign-in
        used = use_up(code, otherwise=_Raced)
        extra = [used, signed_in(user, now, error=PlanChanged), *await self._noise(request, user, now)]
        try:
            await self.sign_on.sessions.sign_in(request, session, proof, now=now, extra=extra)
        except (_Raced, PlanChanged):
            raise self._refusal(request, "the code or the account changed meanwhile", user) from None
        _LOGGER.warning("break-glass code used user=%s address=%s", user.username, request.client)
        return request.prefix + "/if/user/"

    def _refusal(self, request: Request, reason: str, user: User | None) -> BadRequest:
        self.sign_ins.failed(user=None if user is None else user.username, address=request.client, reason=METHOD)
        refusal = BadRequest("break_glass", NOT_VALID)
        refusal.reason = reason
        refusal.user = None if user is None else user.who
        return refusal

    async def _noise(self, request: Request, user: User, now: int) -> Iterable[Statement]:
        """Return the event, and a mail to every superuser, of whom the one who entered is one."""
        told = event(
            USED,
            user=user.who,
            app="ostiary.signon",
            context={"message": "Somebody signed in with a break-glass code.", "user": user.who},
            client_ip=request.client,
            now=now,
        )
        text = (
            f"Somebody signed in as {user.username} with a break-glass code, from the address {request.client}.",
            _ADVICE,
        )
        statements = [told]
        for address in await self._superusers():
            message = Message(
                recipient=address, subject="A break-glass code was used", paragraphs=text, valid_until=now + _MAIL_FOR
            )
            try:
                statements += self.outbox.post(message, now=now)
            except BadAddress:
                _LOGGER.warning("a superuser has an address that no mail can be sent to")
        return statements

    async def _superusers(self) -> list[str]:
        """Return the addresses of active superusers."""
        database, users = self.sign_on.database, self.sign_on.users
        tree = await read_group_tree(database, install_id=users.install_id)
        groups = [pk for pk in tree.groups if any(tree.groups[one].superuser for one in tree.reach([pk]))]
        marks = ", ".join("?" for _ in groups)
        rows = await database.fetch(
            "SELECT DISTINCT u.email AS email FROM directory_user AS u JOIN directory_user_group AS m"
            f" ON m.user_pk = u.pk WHERE u.is_active = 1 AND u.email <> '' AND m.group_pk IN ({marks})"
            f" ORDER BY u.email LIMIT {_MOST_TOLD}",
            *groups,
        )
        return [str(row["email"]) for row in rows]
