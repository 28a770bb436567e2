"""Users that are programs: the account an application gets by itself, and app passwords of service accounts."""

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
from ostiary.events import event
from ostiary.record import dataclass
from ostiary.seal import Secret
from ostiary.store.database import Batch, Database, Duplicate, Statement
from ostiary.store.hashing import token_hash
from ostiary.store.workspace.commit import run

GENERATED: Final = "goauthentik.io/user/generated"
"""The attribute of users that nobody made by hand."""

IDENTITY: Final = "ostiary/identity"
"""The attribute of generated users that names exactly whom of a source they were made for."""

_TYPE: Final = "service_account"
_NONE: Final[Mapping[str, object]] = {}


@dataclass(frozen=True, slots=True)
class AppPassword:
    """An app password that is good, and who has it."""

    token: Token
    subject: Subject


class NotGenerated(Exception):
    """The name belongs to a user whom somebody made: such an account is never taken over."""


class Machines:
    """The programs of one directory."""

    def __init__(self, database: Database, users: Users) -> None:
        self._database = database
        self._users = users
        self._attempts = Attempts(database)

    async def app_password(self, username: str, key: Secret, address: str, now: int) -> AppPassword | None:
        """Return the living app password of the user of that name. Raises Throttled after too many wrong ones.

        Whether the user is active is the caller's to judge, from the same reading.
        """
        return await self._database.write(lambda: self._judged(username, token_hash(key.reveal()), address, now))

    def _judged(self, username: str, hashed: bytes, address: str, now: int) -> Batch[AppPassword | None]:
        rows = yield Statement("SELECT pk FROM directory_user WHERE username_key = ?", (case_key(username),))
        account = Account(cast("int", rows[0]["pk"]) if len(rows) else None, username, "app")
        attempt = yield from self._attempts.judge(account, address, now)
        found = yield from self._app_password(hashed)
        if found is None or not _is_good(found, account, now):
            yield from self._attempts.failed(attempt, now)
            return None
        if attempt.own is None:
            yield known_address(account, address, now)
        return found

    async def account(
        self, username: str, *, path: str, now: int, attributes: Mapping[str, object] = _NONE, name: str = ""
    ) -> Subject:
        """Return the service account of that name, made on first use. One round trip from the second use on.

        `attributes` are those of a new account, beside `GENERATED`; `name` is what people see. Raises NotGenerated when
        the username is somebody else's: of a user whom somebody made, or of an account made for another `IDENTITY`.
        """
        subject = await self._users.subject_named(username)
        if subject is None:
            await self._make(username, name or username, path, now, attributes)
            subject = await self._users.subject_named(username)
        if subject is None or subject.user.type != _TYPE or subject.user.attributes.get(GENERATED) is not True:
            raise NotGenerated(username)
        # guard: A16 a generated account serves exactly whom it was made for
        if subject.user.attributes.get(IDENTITY) != attributes.get(IDENTITY):
            raise NotGenerated(username)
        return subject

    async def _make(self, username: str, name: str, path: str, now: int, attributes: Mapping[str, object]) -> None:
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
            await self._database.write(lambda: run([insert(user), _told(user, now)]))
        except Duplicate:
            return  # another request was first: its account is read

    def _app_password(self, hashed: bytes) -> Batch[AppPassword | None]:
        rows = yield Statement(BEARER, (hashed,))
        if not len(rows):
            return None
        token = token_of(rows[0], "token_")
        subject = yield from self._users.read_subject(token.user)
        return None if subject is None else AppPassword(token, subject)


def _is_good(found: AppPassword, account: Account, now: int) -> bool:
    """Tell whether a token is a living app password, of exactly that account."""
    return found.token.intent == "app_password" and found.token.alive(now) and found.subject.user.pk == account.user


def moved(subject: Subject, path: str) -> tuple[Statement, ...]:
    """Return the statement that keeps a generated account below the path of its application, if it is not there."""
    if subject.user.path == path:
        return ()
    return (Statement("UPDATE directory_user SET path = ? WHERE pk = ?", (path, subject.user.pk)),)


def _told(user: User, now: int) -> Statement:
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
