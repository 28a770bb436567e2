"""The operator's account commands: create, set a password, revoke, list, add to a group, recovery link."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import cast

from ostiary.directory.attempts import lift
from ostiary.directory.errors import UnknownGroup, UnknownUser, UsernameTaken
from ostiary.directory.names import require_user_names
from ostiary.directory.passwords.credentials import Credentials, unusable
from ostiary.directory.passwords.pool import Passwords
from ostiary.directory.rows import members
from ostiary.directory.rows.backend import new_user_pk
from ostiary.directory.tokens import end_recovery, recovery_link
from ostiary.directory.user import User
from ostiary.directory.users import Users, end_proofs, insert
from ostiary.events.event import event
from ostiary.seal import Secret
from ostiary.sessions.repository import end_of_user
from ostiary.store.database import Database, Duplicate, Statement, fetch_one
from ostiary.store.workspace.commit import run

OPERATOR = {"username": "operator"}
"""The user of the command line's events in the audit log."""


class Accounts:
    """The account commands. Each is one transaction, which includes its events."""

    def __init__(
        self,
        database: Database,
        users: Users,
        passwords: Passwords,
        *,
        on_ended: Sequence[Callable[[int, int], Iterable[Statement]]] = (),
    ) -> None:
        """`on_ended` are hooks that revoke what depends on a user's sessions. They get user number and time."""
        self._on_ended = tuple(on_ended)
        self._database = database
        self._users = users
        self._passwords = passwords
        self._credentials = Credentials(database, passwords)

    async def create(
        self,
        username: str,
        *,
        name: str = "",
        email: str = "",
        password: Secret | None = None,
        groups: Sequence[str] = (),
        now: int,
    ) -> User:
        """Create an internal user. `groups` are names.

        Raises BadName, UsernameTaken, UnknownGroup, PasswordTooLong.
        """
        require_user_names(username, email)
        keys = [await self._group(group) for group in groups]
        user = User(
            pk=await new_user_pk(self._database),
            uuid=str(uuid.uuid4()),
            username=username,
            name=name or username,
            email=email,
            is_active=True,
            type="internal",
            path="users",
            attributes={},
            password=await self._passwords.hash(password) if password is not None else unusable(),
            last_login=None,
            date_joined=now,
            password_change_date=now,
            last_updated=now,
        )
        statements = [
            insert(user),
            *(members.join(members.USER_GROUPS, user.pk, key) for key in keys),
            _audit_event("model_created", user, {"groups": list(groups)}, now=now),
        ]
        try:
            await self._write(statements)
        except Duplicate as error:
            raise UsernameTaken(username) from error
        return user

    async def set_password(self, username: str, password: Secret, *, now: int) -> None:
        """Set a password. This ends the user's sessions, tokens, and throttles after wrong passwords.

        Raises UnknownUser, PasswordTooLong.
        """
        user = await self._user(username)
        statements = await self._credentials.setting(user, password, now=now)
        await self._write([*statements, *lift(user.pk, user.names), *self._ending(user, now)])

    async def revoke(self, username: str, *, now: int) -> None:
        """End every session of a user, and every token of their applications, including offline ones.

        API tokens, app passwords and the password stay: they are the user's own. Raises UnknownUser.
        """
        user = await self._user(username)
        audit_event = _audit_event("custom_sessions_revoked", user, {"message": "Signed out everywhere."}, now=now)
        await self._write([*self._ending(user, now), audit_event])

    async def list(self, *, search: str = "", after: int = 0) -> AsyncIterator[User]:
        """Yield the users with a number above `after`, in order of number. They are read page by page."""
        while page := await self._users.page(after=after, search=search):
            for user in page:
                yield user
            after = page[-1].pk

    async def add_to_group(self, username: str, group: str, *, now: int) -> None:
        """Add a user to a group unless they are a member. Raises UnknownUser, UnknownGroup."""
        user, key = await self._user(username), await self._group(group)
        audit_event = _audit_event("model_updated", user, {"added_to_group": {"pk": key, "name": group}}, now=now)
        await self._write([members.join(members.USER_GROUPS, user.pk, key), audit_event])

    async def recovery_link(self, username: str, *, without_mfa: bool, now: int, minutes: int = 60) -> Secret:
        """Return the key of a new recovery link. Raises UnknownUser.

        A link `without_mfa` skips the second factor; the audit log records it as suspicious.
        """
        user = await self._user(username)
        key, statement = recovery_link(user, without_mfa=without_mfa, now=now, minutes=minutes)
        action = "suspicious_request" if without_mfa else "custom_recovery_link"
        context = {"message": "A recovery link was made.", "without_mfa": without_mfa, "minutes": minutes}
        await self._write([statement, _audit_event(action, user, context, now=now)])
        return key

    def _ending(self, user: User, now: int) -> Sequence[Statement]:
        # guard: A72 revoking a user's sessions ends the waiting proofs
        return [
            end_proofs(user.pk),
            end_recovery(user.pk),
            end_of_user(user.pk),
            *(one for hook in self._on_ended for one in hook(user.pk, now)),
        ]

    async def _user(self, username: str) -> User:
        user = await self._users.by_username(username)
        if user is None:
            raise UnknownUser(username)
        return user

    async def _group(self, name: str) -> str:
        row = await fetch_one(self._database, "SELECT pk FROM directory_group WHERE name = ?", name)
        if row is None:
            raise UnknownGroup(name)
        return cast("str", row["pk"])

    async def _write(self, statements: Sequence[Statement]) -> None:
        await self._database.write(lambda: run(statements))


def _audit_event(action: str, user: User, context: dict[str, object], *, now: int) -> Statement:
    model = {"app": "authentik_core", "model_name": "user", "pk": str(user.pk), "name": user.username}
    return event(
        action, user=OPERATOR, app="authentik.commands", context={"model": model, **context}, client_ip=None, now=now
    )
