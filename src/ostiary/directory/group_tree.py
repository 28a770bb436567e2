"""The hierarchy of all groups, and the subject of a user with hypothetical memberships."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import field
from typing import cast

from ostiary.directory.user import GroupRef, Membership, Subject, subject_of_groups
from ostiary.record import dataclass
from ostiary.resource import codec
from ostiary.store.database import Batch, Database, Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedGroup:
    """A group of the hierarchy, with the primary keys of its parents."""

    group: GroupRef
    superuser: bool = False
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupTree:
    """All groups of the installation `install_id`, by primary key."""

    install_id: str
    groups: Mapping[str, PlacedGroup] = field(default_factory=dict)

    def reach(self, direct: Iterable[str]) -> frozenset[str]:
        """Return the keys of these groups and of all their ancestors."""
        reached: set[str] = set()
        pending = list(direct)
        while pending:
            pk = pending.pop()
            if pk not in reached and pk in self.groups:
                reached.add(pk)
                pending.extend(self.groups[pk].parents)
        return frozenset(reached)

    def member_of(self, subject: Subject, direct: Collection[str]) -> Subject:
        """Return the subject with exactly these groups and their ancestors, in place of its own groups."""
        placed = sorted((self.groups[pk] for pk in self.reach(direct)), key=lambda one: (one.group.name, one.group.pk))
        memberships = [Membership(one.group, direct=one.group.pk in direct, superuser=one.superuser) for one in placed]
        return subject_of_groups(subject.user, memberships, install_id=self.install_id)


async def read_group_tree(database: Database, *, install_id: str) -> GroupTree:
    """Read all groups in one transaction."""
    return GroupTree(install_id, await database.read(_read))


def _read() -> Batch[dict[str, PlacedGroup]]:
    groups = yield Statement("SELECT pk, name, is_superuser, attributes FROM directory_group")
    links = yield Statement("SELECT child_pk, parent_pk FROM directory_group_parent")
    parents: dict[str, list[str]] = {}
    for row in links.rows:
        parents.setdefault(row["child_pk"], []).append(row["parent_pk"])
    return {
        row["pk"]: PlacedGroup(
            group=GroupRef(
                row["pk"],
                row["name"],
                cast("Mapping[str, object]", codec.decode(cast("str", row["attributes"]))),
                is_superuser=bool(row["is_superuser"]),
            ),
            superuser=bool(row["is_superuser"]),
            parents=tuple(parents.get(row["pk"], ())),
        )
        for row in groups.rows
    }
