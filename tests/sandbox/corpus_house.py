"""The things of `corpus/world.yaml` as plain Python has them: simple stand-ins for what authentik shows to expressions."""

from __future__ import annotations

import datetime as dt
import hashlib
import inspect
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

from corpus_cases import Ref


class SkipObject(Exception):
    """Raised by mappings to leave out what they are asked about."""


class DoesNotExist(Exception):
    """A query found nothing."""


class FieldError(Exception):
    """A query names a field that is not there."""


class Thing(SimpleNamespace):
    """A row: equal to others with its kind and key."""

    kind = ""
    DoesNotExist = DoesNotExist

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thing) and (self.kind, self.pk) == (other.kind, other.pk)

    def __hash__(self) -> int:  # type: ignore[override]
        return hash((self.kind, self.pk))


class Query:
    """A list that is asked as Django's query sets are."""

    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: Any) -> Any:
        return self.rows[place]

    def all(self) -> Query:
        return Query(self.rows)

    def filter(self, **lookups: Any) -> Query:
        return Query([row for row in self.rows if _matches(row, lookups)])

    def exclude(self, **lookups: Any) -> Query:
        return Query([row for row in self.rows if not _matches(row, lookups)])

    def order_by(self, name: str) -> Query:
        key = name.lstrip("-")
        return Query(sorted(self.rows, key=lambda row: str(getattr(row, key)), reverse=name.startswith("-")))

    def values_list(self, *names: str, flat: bool = False) -> Query:
        rows = [tuple(getattr(row, name) for name in names) for row in self.rows]
        return Query([row[0] for row in rows] if flat else rows)

    def first(self) -> Any:
        return self.rows[0] if self.rows else None

    def exists(self) -> bool:
        return bool(self.rows)

    def count(self) -> int:
        return len(self.rows)

    def get(self, **lookups: Any) -> Any:
        found = self.filter(**lookups)
        if not found.rows:
            raise DoesNotExist
        return found.rows[0]

    def get_or_create(self, **lookups: Any) -> tuple[Any, bool]:
        found = self.filter(**lookups).first()
        return (
            (found, False)
            if found
            else (Group(pk=str(uuid.uuid4()), is_superuser=False, attributes={}, above=[], **lookups), True)
        )


def _matches(row: Any, lookups: Mapping[str, Any]) -> bool:
    return all(_one(row, name, wanted) for name, wanted in lookups.items())


def _one(row: Any, name: str, wanted: Any) -> bool:
    field, *path = name.split("__")
    operator = path.pop() if path and path[-1] in _OPERATORS else "exact"
    if not hasattr(row, field):
        raise FieldError(name)
    value = getattr(row, field)
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return False
        value = value[step]
    return bool(_OPERATORS[operator](value, wanted))


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "exact": lambda value, wanted: value == wanted,
    "iexact": lambda value, wanted: str(value).lower() == str(wanted).lower(),
    "contains": lambda value, wanted: wanted in value,
    "startswith": lambda value, wanted: value.startswith(wanted),
    "in": lambda value, wanted: value in wanted,
}


class Group(Thing):
    kind = "group"
    objects: ClassVar[Query]


class User(Thing):
    kind = "user"
    objects: ClassVar[Query]
    is_authenticated = True

    def all_groups(self) -> Query:
        found: dict[str, Group] = {}
        queue = list(self.groups)
        while queue:
            group = queue.pop()
            if group.name not in found:
                found[group.name] = group
                queue += [Group.objects.get(name=name) for name in group.above]
        return Query([found[name] for name in sorted(found)])

    @property
    def ak_groups(self) -> Query:
        return self.groups  # type: ignore[no-any-return]

    @property
    def is_superuser(self) -> bool:
        return any(group.is_superuser for group in self.all_groups())

    def group_attributes(self, request: Any = None) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        if request is not None and hasattr(request, "brand"):
            _merge(merged, request.brand.attributes)
        for group in self.all_groups():
            _merge(merged, group.attributes)
        return _merge(merged, self.attributes)

    def app_entitlements(self, application: Any) -> Query:
        mine = {group.name for group in self.all_groups()}
        return Query([one for one in application.all if self.username in one.users or mine.intersection(one.groups)])

    def app_entitlements_attributes(self, application: Any) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for one in self.app_entitlements(application):
            _merge(merged, one.attributes)
        return merged

    def has_usable_password(self) -> bool:
        return True

    def locale(self, _request: Any = None) -> str:
        return ""


class AnonymousUser(User):
    is_authenticated = False


class OAuthSource(Thing):
    kind = "source"

    def get_user_path(self) -> str:
        return f"goauthentik.io/sources/{self.slug}"


class OtherSource(OAuthSource):
    pass


class Session(dict[str, Any]):
    def save(self) -> None:
        """Nothing to do."""


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in above.items():
        held = below.get(key)
        if isinstance(held, dict) and isinstance(value, dict):
            _merge(held, value)
        elif isinstance(held, list) and isinstance(value, list):
            below[key] = held + value
        else:
            below[key] = json.loads(json.dumps(value))
    return below


class Plan:
    def __init__(self, context: dict[str, Any]) -> None:
        self.context = context

    def redirect(self, target: str) -> None:
        self.context["redirect"] = target


class House:
    """The things of `world.yaml`, made for one run."""

    def __init__(self, world: Mapping[str, Any]) -> None:
        self.world = world
        self.groups = {
            name: Group(
                pk=str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
                name=name,
                is_superuser=values.get("is_superuser", False),
                attributes=values.get("attributes", {}),
                above=values.get("parents", []),
            )
            for name, values in world["groups"].items()
        }
        Group.objects = Query(list(self.groups.values()))
        self.users = {name: self._user(pk, name, values) for pk, (name, values) in enumerate(world["users"].items(), 1)}
        User.objects = Query(list(self.users.values()))
        self.nobody = AnonymousUser(
            pk=None, username="", name="", email="", is_active=False, type="internal", attributes={}, groups=Query([])
        )
        self.applications = {name: self._application(name, values) for name, values in world["applications"].items()}
        self.sources = {
            name: (OAuthSource if values["kind"] == "oauth" else OtherSource)(pk=name, slug=name, **values)
            for name, values in world["sources"].items()
        }
        self.brand = SimpleNamespace(**world["brand"])

    def _user(self, pk: int, name: str, values: Mapping[str, Any]) -> User:
        last = values.get("last_login")
        return User(
            pk=pk,
            id=pk,
            uuid=uuid.uuid5(uuid.NAMESPACE_DNS, name),
            uid=hashlib.sha256(name.encode()).hexdigest(),
            username=name,
            name=values["name"],
            email=values["email"],
            path=values.get("path", "users"),
            type=values.get("type", "internal"),
            is_active=values.get("is_active", True),
            password="hash",
            attributes=values["attributes"],
            avatar="data:image/svg+xml;base64,QQ==",
            last_login=dt.datetime.fromisoformat(last) if last else None,
            groups=Query([self.groups[group] for group in values["groups"]]),
            authenticators=values.get("authenticators", []),
        )

    def _application(self, name: str, values: Mapping[str, Any]) -> Thing:
        application = Thing(
            pk=name,
            slug=name,
            name=values["name"],
            group=values["group"],
            meta_launch_url=values["meta_launch_url"],
            all=[
                Thing(
                    pk=entitlement,
                    name=entitlement,
                    users=more.get("users", []),
                    groups=more.get("groups", []),
                    attributes=more["attributes"],
                )
                for entitlement, more in sorted(values["entitlements"].items())
            ],
        )
        application.kind = "application"
        application.provider = Thing(
            pk=values["provider"], name=values["provider"], application=application, backchannel_application=application
        )
        return application

    def thing(self, value: Any) -> Any:
        """Return a value with things in place of what names them."""
        if isinstance(value, dict):
            return {key: self.thing(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.thing(item) for item in value]
        if not isinstance(value, Ref):
            return value
        named: dict[str, Mapping[str, Any]] = {
            "user": self.users,
            "group": self.groups,
            "application": self.applications,
            "source": self.sources,
        }
        return named[value.kind][value.name] if value.kind in named else SimpleNamespace(**value.values)


def plain(value: Any) -> Any:
    """Return a value as the cases write it: things by name, tuples, sets and generators as lists."""
    if isinstance(value, Thing):
        return Ref(value.kind, value.username if value.kind == "user" else value.name)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(plain(item) for item in value)
    if isinstance(value, list | tuple | Query) or inspect.isgenerator(value):
        return [plain(item) for item in value]
    return value
