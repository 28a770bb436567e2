"""People and applications by the names that an operator types, with near names for what is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ostiary.applications.provider import PROVIDER
from ostiary.applications.resources import Application

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.directory.users import Users
    from ostiary.store.configuration.snapshot import Snapshot

_LOOKED_THROUGH: Final = 5_000  # people, for near names


class NotFoundHere(Exception):
    """There is no such object. The text says what was looked for, and what has a near name."""


async def find_person(users: Users, name: str) -> Subject:
    """Return the person of that username, whatever its case. Raises NotFoundHere."""
    found = await users.subject_named(name)
    if found is not None:
        return found
    names: list[str] = []
    after = 0
    while len(names) < _LOOKED_THROUGH:
        page = await users.page(after=after, limit=500)
        if not page:
            break
        names += [user.username for user in page]
        after = page[-1].pk
    raise NotFoundHere(f"there is no user {name}{near(name, names)}")


def find_application(snapshot: Snapshot, name: str) -> Application:
    """Return the application of that slug, client id or name. Raises NotFoundHere."""
    found = snapshot.find(Application, slug=name)
    if found is not None:
        return found
    applications = snapshot.all(Application)
    for item in applications:
        provider = None if item.provider is None else snapshot.resolve(PROVIDER, item.provider)
        if name == getattr(provider, "client_id", None) or name.casefold() == item.name.casefold():
            return item
    raise NotFoundHere(f"there is no application {name}{near(name, [item.slug for item in applications])}")


def near(name: str, names: Iterable[str]) -> str:
    """Return `; near names: ...`, or "" without any."""
    by_key = {one.casefold(): one for one in names}
    found = difflib.get_close_matches(name.casefold(), by_key, n=3)
    return f"; near names: {', '.join(by_key[one] for one in found)}" if found else ""
