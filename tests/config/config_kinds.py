"""Sample kinds of both planes, a real directory backend over a table of its own, and what opens them all."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Annotated, Any

from ostiary.record import dataclass
from ostiary.resource import (
    CASELESS,
    READ_ONLY,
    SLUG,
    UNIQUE,
    Kind,
    Numbering,
    OnDelete,
    Pk,
    Plane,
    Problem,
    Reading,
    Reference,
    Registry,
    Resource,
    Sealed,
    kind,
)
from ostiary.resource.codec import decode, encode_canonical
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.store.configuration.plane import ConfigPlane
from ostiary.store.configuration.snapshot import targets
from ostiary.store.counter import next_number
from ostiary.store.database import Conflict, Database, Guard, Statement
from ostiary.store.workspace.compare import equals
from ostiary.store.workspace.editor import Change, Editor, Referrer, StoredObject

NOW = 1_800_000_000_000_000
BINDABLE = "test_core.bindable"
STEP = "test_steps.step"


def check_zone(zone: Zone) -> Iterable[Problem]:
    if zone.slug == zone.name == "forbidden":
        yield Problem("slug", "must differ from the name")


@kind(
    "test_zones.zone",
    verbose_name="Zone",
    component="zone-form",
    routes="zones",
    families=(BINDABLE,),
    check=check_zone,
)
class Zone(Resource):
    name: Annotated[str, UNIQUE, CASELESS]
    slug: Annotated[str, SLUG] = "zone"
    settings: Mapping[str, object] = field(default_factory=dict)
    secret: Annotated[Secret, Sealed(Reading.REVEALABLE)] = Secret("")
    parent: Annotated[str | None, Reference("test_zones.zone", OnDelete.SET_NULL)] = None
    keepers: Annotated[tuple[int, ...], Reference("test_dir.person", OnDelete.SET_NULL)] = ()
    note: Annotated[str, READ_ONLY] = ""


@dataclass(frozen=True, kw_only=True)
class Step(Resource):
    name: Annotated[str, UNIQUE]


@kind("test_steps.ask", verbose_name="Ask", component="ask-form", routes="steps/ask", families=(STEP,))
class Ask(Step):
    question: str = ""


@kind("test_steps.deny", verbose_name="Deny", component="deny-form", routes="steps/deny", families=(STEP,))
class Deny(Step):
    reason: str = ""


@kind(
    "test_rules.rule",
    verbose_name="Rule",
    component="rule-form",
    routes="rules",
    label_field="pk",
    unique_together=(("target", "person", "order"),),
)
class Rule(Resource):
    target: Annotated[str, Reference(BINDABLE, OnDelete.CASCADE)]
    order: int
    person: Annotated[int | None, Reference("test_dir.person", OnDelete.PROTECT)] = None
    crew: Annotated[str | None, Reference("test_dir.crew", OnDelete.CASCADE)] = None
    step: Annotated[str | None, Reference(STEP, OnDelete.PROTECT)] = None


@kind("test_core.app", verbose_name="App", component="app-form", routes="apps", numbering=Numbering.INTEGER)
class App(Resource):
    name: Annotated[str, UNIQUE]
    step: Annotated[str, Reference(STEP, OnDelete.SET_NULL)]


@kind(
    "test_dir.person",
    verbose_name="Person",
    component="person-form",
    routes="people",
    plane=Plane.DIRECTORY,
    numbering=Numbering.INTEGER,
    label_field="username",
)
class Person(Resource):
    username: Annotated[str, UNIQUE, CASELESS]
    home: Annotated[str | None, Reference("test_zones.zone", OnDelete.SET_NULL)] = None
    data: Mapping[str, object] = field(default_factory=dict)


@kind("test_dir.crew", verbose_name="Crew", component="crew-form", routes="crews", plane=Plane.DIRECTORY)
class Crew(Resource):
    name: str
    lead: Annotated[int | None, Reference("test_dir.person", OnDelete.CASCADE)] = None
    deputy: Annotated[int | None, Reference("test_dir.person", OnDelete.SET_NULL)] = None
    above: Annotated[str | None, Reference("test_dir.crew", OnDelete.CASCADE)] = None


KINDS: tuple[type[Resource], ...] = (Zone, Ask, Deny, Rule, App, Person, Crew)
CREATE = "CREATE TABLE test_directory (kind {0} NOT NULL, pk {0} NOT NULL, body {0} NOT NULL, PRIMARY KEY (kind, pk))"


class Rows:
    """A directory backend over one plain table."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.prepared: list[Change] = []
        self.extra: list[Referrer] = []

    async def match(self, kind: Kind, lookups: Sequence[tuple[str, object]]) -> Sequence[StoredObject]:
        return [
            one
            for one in await self._all(kind)
            if all(equals(kind.fields[name], one.values[name], value) for name, value in lookups)
        ]

    async def get(self, kind: Kind, pk: Pk) -> StoredObject | None:
        rows = await self.database.fetch(
            "SELECT body FROM test_directory WHERE kind = ? AND pk = ?", kind.name, str(pk)
        )
        return self._stored(kind, pk, rows[0]["body"]) if rows else None

    async def allocate(self, kind: Kind) -> Pk:
        if kind.numbering is Numbering.INTEGER:
            return await self.database.write(lambda: next_number("person"))
        return str(uuid.uuid4())

    async def settle(self, change: Change) -> Change:
        return change

    async def prepare(self, change: Change) -> Change:
        self.prepared.append(change)
        if change.after is not None and change.after.get("data") == {"secret": "the same"}:
            return replace(change, after={**change.after, "data": {}})
        return change

    def writes(self, change: Change, *, now: int) -> Iterable[Statement]:
        key = (change.kind.name, str(change.pk))
        if change.after is None:
            yield Statement(
                "DELETE FROM test_directory WHERE kind = ? AND pk = ?", key, guard=Guard(lambda: Conflict("gone"))
            )
            return
        body = encode_canonical(change.kind.dump(change.after))
        if change.before is None:
            yield Statement("INSERT INTO test_directory (kind, pk, body) VALUES (?, ?, ?)", (*key, body))
        else:
            yield Statement(
                "UPDATE test_directory SET body = ? WHERE kind = ? AND pk = ?",
                (body, *key),
                guard=Guard(lambda: Conflict("gone")),
            )

    async def referring(self, kind: Kind, pk: Pk) -> Sequence[Referrer]:
        return self.extra + [
            Referrer(one, name)
            for source in (Person.KIND, Crew.KIND)
            for name, item in source.fields.items()
            if item.reference is not None and kind.answers_to(item.reference.target)
            for one in await self._all(source)
            if pk in targets(item, one.values[name])
        ]

    async def _all(self, kind: Kind) -> Sequence[StoredObject]:
        rows = await self.database.fetch("SELECT pk, body FROM test_directory WHERE kind = ? ORDER BY pk", kind.name)
        return [
            self._stored(kind, int(row["pk"]) if kind.numbering is Numbering.INTEGER else row["pk"], row["body"])
            for row in rows
        ]

    @staticmethod
    def _stored(kind: Kind, pk: Pk, body: Any) -> StoredObject:
        return StoredObject(kind, pk, kind.load(decode(body), kind.schema))  # type: ignore[arg-type]


def audit(changes: Sequence[Change], author: str, now: int) -> Iterable[Statement]:
    for change in changes:
        yield Statement(
            "INSERT INTO test_audit (action, kind, author, moment) VALUES (?, ?, ?, ?)",
            (change.action, change.kind.name, author, now),
        )


class House:
    """One process: a plane, a backend and an editor over a database."""

    def __init__(self, database: Database, *, key: str = "secret key", kinds: tuple[Any, ...] = KINDS) -> None:
        self.database = database
        self.sealer = Sealer(Secret(key))
        self.plane = ConfigPlane(database, Registry(kinds), self.sealer)
        self.rows = Rows(database)
        self.editor = Editor(self.plane, {Person.KIND.name: self.rows, Crew.KIND.name: self.rows}, audit)

    async def edit(self, work: Any, message: str = "test") -> Any:
        return await self.editor.edit(work, author="tester", message=message, now=NOW)


async def create_tables(database: Database) -> None:
    text = "TEXT" if database.dialect == "sqlite" else 'TEXT COLLATE "C"'

    def batch() -> Any:
        yield Statement(CREATE.format(text))
        yield Statement("CREATE TABLE test_audit (action TEXT, kind TEXT, author TEXT, moment BIGINT)")

    await database.write(batch)


async def open_house(database: Database, **options: Any) -> House:
    house = House(database, **options)
    await house.plane.load()
    return house
