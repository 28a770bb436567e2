"""The first administrator: akadmin in "authentik Admins". Its transaction also closes the set-up."""

from __future__ import annotations

import uuid
from typing import Final, cast

from ostiary.directory.case_key import case_key
from ostiary.directory.first_run.setup import close
from ostiary.directory.names import require_email
from ostiary.directory.passwords.credentials import set_hash, unusable
from ostiary.directory.passwords.pool import Passwords
from ostiary.directory.rows import members
from ostiary.directory.rows.backend import new_user_pk
from ostiary.directory.rows.group_rows import insert_group
from ostiary.directory.tokens import end_recovery
from ostiary.directory.user import User
from ostiary.directory.users import insert
from ostiary.events.event import event
from ostiary.record import dataclass
from ostiary.seal import Secret
from ostiary.store.database import Batch, Database, Statement

USERNAME: Final = "akadmin"
GROUP_NAME: Final = "authentik Admins"
DEFAULT_EMAIL: Final = "root@example.com"
_NAME: Final = "Administrator"


@dataclass(frozen=True, slots=True)
class _Draft:
    user: User
    group_pk: str


async def create_administrator(
    database: Database,
    passwords: Passwords,
    *,
    email: str,
    password: Secret,
    token: Secret | None,
    now: int,
    client_ip: str | None = None,
) -> int:
    """Create akadmin, or set its first password, and close the set-up. Returns the user's number.

    With a token, the set-up link must be valid. Without one (bootstrap), the set-up must be open.
    Raises SetupClosed, BadName, PasswordTooLong, Busy; then nothing is written.
    """
    require_email(email)
    draft = await _draft(database, email=email, password=await passwords.hash(password), now=now)
    return await database.write(lambda: _setting_up(draft, token=token, now=now, client_ip=client_ip))


async def ensure_administrator(database: Database, *, email: str, now: int) -> int:
    """Create akadmin without a password, unless it exists. Returns its number. The set-up stays open."""
    draft = await _draft(database, email=email, password=unusable(), now=now)
    return await database.write(lambda: _ensuring(draft, now=now, client_ip=None))


async def _draft(database: Database, *, email: str, password: str, now: int) -> _Draft:
    user = User(
        pk=await new_user_pk(database),
        uuid=str(uuid.uuid4()),
        username=USERNAME,
        name=_NAME,
        email=email,
        is_active=True,
        type="internal",
        path="users",
        attributes={},
        password=password,
        last_login=None,
        date_joined=now,
        password_change_date=now,
        last_updated=now,
    )
    return _Draft(user, str(uuid.uuid4()))


def _setting_up(draft: _Draft, *, token: Secret | None, now: int, client_ip: str | None) -> Batch[int]:
    yield close(now, token=token)
    pk = yield from _ensuring(draft, now=now, client_ip=client_ip)
    yield set_hash(pk, draft.user.password, now=now)
    yield end_recovery(pk)
    yield Statement(
        "UPDATE directory_user SET email = ?, email_key = ?, is_active = 1 WHERE pk = ?",
        (draft.user.email, case_key(draft.user.email), pk),
    )
    who = {"pk": pk, "username": USERNAME, "email": draft.user.email}
    yield event("password_set", user=who, app="authentik.core", context={"user": who}, client_ip=client_ip, now=now)
    return pk


def _ensuring(draft: _Draft, *, now: int, client_ip: str | None) -> Batch[int]:
    rows = yield Statement("SELECT pk FROM directory_user WHERE username_key = ?", (case_key(USERNAME),))
    pk = cast("int", rows[0]["pk"]) if len(rows) else draft.user.pk
    if not len(rows):
        yield insert(draft.user)
        model = {"app": "authentik_core", "model_name": "user", "pk": str(pk), "name": USERNAME}
        yield event(
            "model_created",
            user=draft.user.who,
            app="authentik.core",
            context={"model": model},
            client_ip=client_ip,
            now=now,
        )
    rows = yield Statement("SELECT pk FROM directory_group WHERE name = ?", (GROUP_NAME,))
    group = cast("str", rows[0]["pk"]) if len(rows) else draft.group_pk
    if not len(rows):
        yield insert_group(group, GROUP_NAME, superuser=True, attributes={})
    yield members.join(members.USER_GROUPS, pk, group)
    return pk
