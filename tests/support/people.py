"""Users and groups made by hand, for tests of the directory and of what stands on it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from ostiary.directory.passwords.credentials import unusable
from ostiary.directory.rows import members
from ostiary.directory.rows.backend import new_user_pk
from ostiary.directory.rows.group_rows import insert_group
from ostiary.directory.user import User
from ostiary.directory.users import insert
from ostiary.store.database import Database
from ostiary.store.workspace.commit import run

NOW = 1_700_000_000_000_000


@dataclass
class People:
    """Makes users and groups by hand."""

    database: Database

    async def user(self, username: str, **fields: object) -> User:
        values: dict[str, object] = {
            "pk": await new_user_pk(self.database),
            "uuid": str(uuid.uuid4()),
            "username": username,
            "name": username.title(),
            "email": "",
            "is_active": True,
            "type": "internal",
            "path": "users",
            "attributes": {},
            "password": unusable(),
            "last_login": None,
            "date_joined": NOW,
            "password_change_date": NOW,
            "last_updated": NOW,
        }
        user = User(**{**values, **fields})  # type: ignore[arg-type]
        await self.database.write(lambda: run([insert(user)]))
        return user

    async def group(
        self, name: str, *, users: tuple[User, ...] = (), parents: tuple[str, ...] = (), superuser: bool = False,
        attributes: Mapping[str, object] | None = None,
    ) -> str:  # fmt: skip
        pk = str(uuid.uuid4())
        statements = [
            insert_group(pk, name, superuser=superuser, attributes=attributes or {}),
            *(members.join(members.GROUP_USERS, pk, user.pk) for user in users),
            *members.parents(pk, None, {"parents": parents}),
        ]
        await self.database.write(lambda: run(statements))
        return pk
