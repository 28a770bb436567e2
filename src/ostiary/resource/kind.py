"""A kind: one frozen, typed class, and everything the projections need to know about it.

Adding a plain resource is adding one file with one class::

    @kind("authentik_stages_deny.denystage", verbose_name="Deny stage", component="ak-stage-deny-form",
          families=(STAGE,), routes="stages/deny")
    class DenyStage(Stage):
        deny_message: Annotated[str, Help("Shown to the person who is refused.")] = ""

The decorator makes the class a frozen dataclass and hangs its `Kind` on it as `KIND`; it registers nothing. Rooms list
their kinds in `room`, the application builds the one `Registry`.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any, ClassVar, TypeVar, dataclass_transform

from ostiary.record import dataclass
from ostiary.resource.annotation import record_fields
from ostiary.resource.errors import InvalidResource, Problem, UnknownKind
from ostiary.resource.field import Field
from ostiary.resource.marks import Flag

Pk = str | int
"""Primary key: UUID text, or a whole number for users and providers."""


class Plane(enum.Enum):
    """The storage of the objects of a kind."""

    CONFIG = "config"  # versioned documents, revisions, snapshot
    DIRECTORY = "directory"  # rows of their own tables


class Numbering(enum.Enum):
    """The type of primary keys."""

    UUID = "uuid"
    INTEGER = "integer"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """The base of every definition: only the primary key."""

    KIND: ClassVar[Kind]
    pk: Pk


Check = Callable[[Any], Iterable[Problem]]
"""The cross-field check of a kind: gets the finished object, yields problems."""

Look = Callable[[str, Pk], Awaitable[Any]]
"""Finds the object a reference leads to, as it will be after the change: target and key in, object or None out."""

Advise = Callable[[Any], Iterable[Problem]]
"""What whoever saves an object should know although it is right: yields what will not work in this version."""

CheckWith = Callable[[Any, Look], Awaitable[Iterable[Problem]]]
"""The check of a kind against the objects it refers to. Asked only when everything else about the object is right."""

Upcaster = Callable[[dict[str, object]], dict[str, object]]
"""Turns a stored document of schema n into one of schema n+1. Kept for ever."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Kind:
    """The metadata of a kind and its fields."""

    name: str  # "authentik_core.application": app label and lower-case model name
    model: type[Any]
    verbose_name: str
    verbose_name_plural: str
    component: str  # authentik's admin form component, e.g. "ak-stage-deny-form"
    plane: Plane
    numbering: Numbering
    families: tuple[str, ...]  # base models the kind also answers to in references, e.g. "authentik_flows.stage"
    routes: str  # path below /api/v3/, without slashes at the ends
    unique_together: tuple[tuple[str, ...], ...]
    schema: int
    upcasters: Mapping[int, Upcaster]
    check: Check | None
    check_with: CheckWith | None
    advise: Advise | None
    label_field: str  # the field that names an object to people
    lookup_field: str = "pk"  # what detail URLs of API v3 take
    ignored: frozenset[str] = frozenset()  # wire names accepted and dropped, as authentik does
    fields: Mapping[str, Field] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Kind({self.name})"

    @property
    def app_label(self) -> str:
        """The part before the dot."""
        return self.name.partition(".")[0]

    @property
    def model_name(self) -> str:
        """The part after the dot."""
        return self.name.partition(".")[2]

    def answers_to(self, target: str) -> bool:
        """Return whether a reference to `target`, a kind or a family, may lead to this kind."""
        return target == self.name or target in self.families

    def permissions(self) -> tuple[str, ...]:
        """The four permission names of the kind, in Django's spelling."""
        return tuple(f"{self.app_label}.{verb}_{self.model_name}" for verb in ("view", "add", "change", "delete"))

    def parse(self, values: Mapping[str, object], *, current: Mapping[str, object] | None = None) -> dict[str, object]:
        """Parse client input into all field values, on top of `current` for a partial update.

        Unknown names are ignored, as authentik does; read-only fields are ignored as well.
        Raises InvalidResource with every field problem at once.
        """
        result, problems = self.examine(values, current=current)
        if problems:
            raise InvalidResource(self.name, problems)
        return result

    def examine(
        self, values: Mapping[str, object], *, current: Mapping[str, object] | None = None
    ) -> tuple[dict[str, object], list[Problem]]:
        """Return the valid values, and the problems of the others (see `parse`)."""
        problems: list[Problem] = []
        result: dict[str, object] = {}
        for name, item in self.fields.items():
            # guard: A52 read-only fields are not accepted from outside
            if name in values and Flag.READ_ONLY not in item.flags:
                try:
                    result[name] = item.parse(values[name])
                except ValueError as error:
                    problems.append(Problem(name, str(error)))
            elif current is not None and name in current:
                result[name] = current[name]
            elif item.required:
                problems.append(Problem(name, f"is required, expected {item.expectation()}"))
            else:
                result[name] = item.default()
        return result, problems

    def make(self, pk: Pk, values: Mapping[str, object]) -> Any:
        """Return the validated object. Raises InvalidResource for problems of the kind's own check."""
        made = self.model(pk=pk, **values)
        problems = list(self.check(made)) if self.check is not None else []
        if problems:
            raise InvalidResource(self.name, problems)
        return made

    def values(self, item: object) -> dict[str, object]:
        """Return the field values of an object, without its primary key."""
        return {name: getattr(item, name) for name in self.fields}

    def dump(self, values: Mapping[str, object]) -> dict[str, object]:
        """Return the storage document: plain JSON, with secrets still as `Secret`."""
        return {name: item.dump(values[name]) for name, item in self.fields.items() if name in values}

    def load(self, document: Mapping[str, object], schema: int) -> dict[str, object]:
        """Return the field values of a stored document of any earlier schema. Missing fields take their default."""
        body = dict(document)
        for number in range(schema, self.schema):
            body = self.upcasters[number](body)
        return {name: item.load(body[name]) if name in body else item.default() for name, item in self.fields.items()}


T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def kind(
    name: str,
    *,
    verbose_name: str,
    component: str,
    routes: str,
    plural: str = "",
    plane: Plane = Plane.CONFIG,
    numbering: Numbering = Numbering.UUID,
    families: tuple[str, ...] = (),
    unique_together: tuple[tuple[str, ...], ...] = (),
    schema: int = 1,
    upcasters: Mapping[int, Upcaster] | None = None,
    check: Check | None = None,
    check_with: CheckWith | None = None,
    advise: Advise | None = None,
    label_field: str = "name",
    lookup_field: str = "pk",
    ignored: Iterable[str] = (),
) -> Callable[[type[T]], type[T]]:
    """Decorate a class as the definition of a kind: a frozen dataclass with its `KIND`."""

    def define(model: type[T]) -> type[T]:
        _refuse_plain_bases(model)
        made = dataclass(frozen=True, kw_only=True)(model)
        fields = record_fields(made)
        made.KIND = Kind(  # type: ignore[attr-defined]
            name=name,
            model=made,
            verbose_name=verbose_name,
            verbose_name_plural=plural or f"{verbose_name}s",
            component=component,
            plane=plane,
            numbering=numbering,
            families=families,
            routes=routes,
            unique_together=unique_together,
            schema=schema,
            upcasters=upcasters or {},
            check=check,
            check_with=check_with,
            advise=advise,
            label_field=label_field,
            lookup_field=lookup_field,
            ignored=frozenset(ignored),
            fields=fields,
        )
        return made

    return define


def _refuse_plain_bases(model: type[Any]) -> None:
    for base in model.__mro__[1:]:
        if inspect.get_annotations(base) and "__dataclass_fields__" not in vars(base):
            message = f"{base.__name__}: the base of a family must be a frozen dataclass, or its fields are lost"
            raise TypeError(message)


class Registry:
    """All kinds by name, built once by the application from the rooms' lists. The only look-up by name."""

    def __init__(self, models: Iterable[type[Resource]]) -> None:
        self._kinds: dict[str, Kind] = {}
        self._families: dict[str, tuple[Kind, ...]] = {}
        for model in models:
            item = model.KIND
            if item.name in self._kinds:
                message = f"kind {item.name} is registered twice"
                raise ValueError(message)
            self._kinds[item.name] = item

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def __contains__(self, name: object) -> bool:
        return name in self._kinds

    def get(self, name: str) -> Kind:
        """Return the kind of that name. Raises UnknownKind."""
        try:
            return self._kinds[name]
        except KeyError:
            raise UnknownKind(name) from None

    def family(self, target: str) -> tuple[Kind, ...]:
        """Return the kinds a reference to `target` may lead to, in registration order."""
        try:
            return self._families[target]
        except KeyError:
            found = tuple(item for item in self._kinds.values() if item.answers_to(target))
        if found:  # an unknown name may come from outside, and is not cached
            self._families[target] = found
        return found
