"""Lookup of users, applications, policies and mappings by name, for the command line. Errors suggest similar names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from ostiary.applications.provider import PROVIDER
from ostiary.applications.resources import Application
from ostiary.flows.resources import Flow
from ostiary.mappings.resources import PROPERTY_MAPPING, PropertyMapping
from ostiary.policies.resources import POLICY, Policy

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.directory.users import Users
    from ostiary.store.configuration.snapshot import Snapshot

N = TypeVar("N", Policy, PropertyMapping)

_MAX_USERS: Final = 5_000  # compared to suggest similar names


class NotFoundHere(Exception):
    """There is no such object. The message suggests similar names."""


async def find_person(users: Users, name: str) -> Subject:
    """Return the user of that username, in any case. Raises NotFoundHere."""
    found = await users.subject_named(name)
    if found is not None:
        return found
    names: list[str] = []
    after = 0
    while len(names) < _MAX_USERS:
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


def find_flow(snapshot: Snapshot, name: str) -> Flow:
    """Return the flow of that slug, name or primary key. Raises NotFoundHere."""
    flows = snapshot.all(Flow)
    for item in flows:
        if name in {item.slug, item.name, str(item.pk)}:
            return item
    raise NotFoundHere(f"there is no flow {name}{near(name, [item.slug for item in flows])}")


def find_policy(snapshot: Snapshot, name: str) -> Policy:
    """Return the policy of that name or primary key. Raises NotFoundHere."""
    policies: Sequence[Policy] = snapshot.family(POLICY)
    return _named(policies, name, "policy")


def find_mapping(snapshot: Snapshot, name: str) -> PropertyMapping:
    """Return the property mapping of that name, `managed` key or primary key. Raises NotFoundHere."""
    mappings: Sequence[PropertyMapping] = snapshot.family(PROPERTY_MAPPING)
    return _named(mappings, name, "property mapping")


def _named(items: Sequence[N], name: str, what: str) -> N:
    for item in items:
        if name in {item.name, str(item.pk), getattr(item, "managed", None)}:
            return item
    raise NotFoundHere(f"there is no {what} {name}{near(name, [item.name for item in items])}")


def near(name: str, names: Iterable[str]) -> str:
    """Return `; near names: ...`, or "" if there are none."""
    by_key = {one.casefold(): one for one in names}
    found = difflib.get_close_matches(name.casefold(), by_key, n=3)
    return f"; near names: {', '.join(by_key[one] for one in found)}" if found else ""
