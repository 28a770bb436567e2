"""Service accounts: generated accounts of applications, and app passwords."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final, cast

from ostiary.directory.attempts import Account, Attempts, known_address
from ostiary.directory.case_key import case_key
from ostiary.directory.passwords.credentials import unusable
from ostiary.directory.rows.backend import new_user_pk
from ostiary.directory.tokens import BEARER, Token, token_of
from ostiary.directory.user import Subject, User
from ostiary.directory.users import Users, insert
from ostiary.events.event import event
from ostiary.record import dataclass
from ostiary.seal import Secret
from ostiary.store.database import Batch, Database, Duplicate, Statement
from ostiary.store.hashing import token_hash
from ostiary.store.workspace.commit import run

GENERATED: Final = "goauthentik.io/user/generated"
"""The attribute that marks generated users."""

IDENTITY: Final = "ostiary/identity"
"""The attribute with the identity at a source for which a user was generated."""

_TYPE: Final = "service_account"
_NONE: Final[Mapping[str, object]] = {}


@dataclass(frozen=True, slots=True)
class AppPassword:
    """A valid app password and its user."""

    token: Token
    subject: Subject


class NotGenerated(Exception):
    """The username belongs to a user that was not generated. Such an account is never taken over."""


class Machines:
    """The service accounts of one directory."""

    def __init__(self, database: Database, users: Users) -> None:
        self._database = database
        self._users = users
        self._attempts = Attempts(database)

    async def app_password(self, username: str, key: Secret, address: str, now: int) -> AppPassword | None:
        """Return the app password of a user, or None if it is not valid. Raises Throttled.

        The caller must check that the user is active.
        """
        return await self._database.write(lambda: self._verify(username, token_hash(key.reveal()), address, now))

    def _verify(self, username: str, hashed: bytes, address: str, now: int) -> Batch[AppPassword | None]:
        rows = yield Statement("SELECT pk FROM directory_user WHERE username_key = ?", (case_key(username),))
        account = Account(cast("int", rows[0]["pk"]) if len(rows) else None, username, "app")
        attempt = yield from self._attempts.begin_in_batch(account, address, now)
        app_password = yield from self._app_password(hashed)
        if app_password is None or not _is_valid(app_password, account, now):
            yield from self._attempts.failed(attempt, now)
            return None
        if attempt.own is None:
            yield known_address(account, address, now)
        return app_password

    async def account(
        self, username: str, *, path: str, now: int, attributes: Mapping[str, object] = _NONE, name: str = ""
    ) -> Subject:
        """Return the service account with that name, which is created on first use. Later uses take one round trip.

        A new account gets `attributes`, in addition to `GENERATED`, and the display name `name`. Raises NotGenerated
        if the username belongs to a user that was not generated, or was generated for another `IDENTITY`.
        """
        subject = await self._users.subject_named(username)
        if subject is None:
            await self._create(username, name or username, path, now, attributes)
            subject = await self._users.subject_named(username)
        if subject is None or subject.user.type != _TYPE or subject.user.attributes.get(GENERATED) is not True:
            raise NotGenerated(username)
        # guard: A16 a generated account belongs to exactly one identity
        if subject.user.attributes.get(IDENTITY) != attributes.get(IDENTITY):
            raise NotGenerated(username)
        return subject

    async def _create(self, username: str, name: str, path: str, now: int, attributes: Mapping[str, object]) -> None:
        user = User(
            pk=await new_user_pk(self._database),
            uuid=str(uuid.uuid4()),
            username=username,
            name=name,
            email="",
            is_active=True,
            type=_TYPE,
            path=path,
            attributes={GENERATED: True, **attributes},
            password=unusable(),
            last_login=None,
            date_joined=now,
            password_change_date=now,
            last_updated=now,
        )
        try:
            await self._database.write(lambda: run([insert(user), _created_event(user, now)]))
        except Duplicate:
            return  # a concurrent request has created it

    def _app_password(self, hashed: bytes) -> Batch[AppPassword | None]:
        rows = yield Statement(BEARER, (hashed,))
        if not len(rows):
            return None
        token = token_of(rows[0], "token_")
        subject = yield from self._users.read_subject(token.user)
        return None if subject is None else AppPassword(token, subject)


def _is_valid(app_password: AppPassword, account: Account, now: int) -> bool:
    """Return whether a token is a valid app password of this account."""
    return (
        app_password.token.intent == "app_password"
        and app_password.token.alive(now)
        and app_password.subject.user.pk == account.user
    )


def moved_to(subject: Subject, path: str) -> tuple[Statement, ...]:
    """Return the statement that moves a generated account to the path of its application; none if it is there."""
    if subject.user.path == path:
        return ()
    return (Statement("UPDATE directory_user SET path = ? WHERE pk = ?", (path, subject.user.pk)),)


def _created_event(user: User, now: int) -> Statement:
    model: Mapping[str, object] = {
        "app": "authentik_core",
        "model_name": "user",
        "pk": str(user.pk),
        "name": user.username,
    }
    return event(
        "model_created", user=None, app="authentik.core", context={"model": model, "generated": True}, client_ip=None,
        now=now,
    )  # fmt: skip
