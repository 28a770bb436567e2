"""A faster `dataclass`: the standard one, created in a third of the time.

`dataclasses.dataclass` writes the source of up to six methods for each class and compiles it; for the two hundred and
more records of this program that was a fifth of a whole start. Of these methods only `__init__` gains from being
written for its class. The others are the same few lines around one C function that fetches the fields, so here they
are closures. Fields, slots, defaults, `replace` and pattern matching remain the standard library's; tests
compare the rest with it.

Three things are not offered, because nothing needs them: `order`, `unsafe_hash`, and `InitVar`.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from dataclasses import Field, dataclass

__all__ = ["dataclass"]

T = TypeVar("T")

_FROZEN: Final = "__record_frozen__"  # where a record says what it is, to those that inherit from it


def record(
    cls: type[T] | None = None,
    /,
    *,
    frozen: bool = False,
    slots: bool = False,
    kw_only: bool = False,
    eq: bool = True,
    repr: bool = True,  # noqa: A002 - the standard library's word
) -> Any:
    """Decorate a class as a dataclass. Import it as `dataclass`, which type checkers know."""

    def make(model: type[T]) -> type[T]:
        defined = _defined(model)
        _refuse_mixed(model, frozen=frozen)
        made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(model)
        fields = dataclasses.fields(made)  # type: ignore[arg-type] # made one in the line above
        methods: dict[str, Any] = {"__init__": _init(made, fields, frozen=frozen)}
        if repr:
            methods["__repr__"] = _repr([field.name for field in fields if field.repr])
        if eq:
            methods |= _equality([field.name for field in fields if field.compare], frozen=frozen)
        if frozen:
            methods |= _frozen(made, frozenset(field.name for field in fields), slots=slots)
        for name, method in methods.items():
            if name not in defined:
                setattr(made, name, method)
                if method is not None:
                    method.__qualname__ = f"{made.__qualname__}.{name}"
        setattr(made, _FROZEN, frozen)
        return made

    return make if cls is None else make(cls)


if not TYPE_CHECKING:
    dataclass = record


def _defined(model: type[Any]) -> set[str]:
    """Return the names a class defines itself, which are not replaced. Python adds `__hash__ = None` to an `__eq__`."""
    own = vars(model)
    return {name for name in own if name != "__hash__" or own[name] is not None or "__eq__" not in own}


def _refuse_mixed(model: type[Any], *, frozen: bool) -> None:
    """Refuse a mutable record that inherits from a frozen one, and the reverse, as the standard library does."""
    for base in model.__mro__[1:]:
        if vars(base).get(_FROZEN, frozen) is not frozen:
            raise TypeError("cannot inherit a frozen dataclass from one that is not, or the other way round")


def _init(model: type[Any], fields: Sequence[Field[Any]], *, frozen: bool) -> Callable[..., None]:
    """Return `__init__`, the one method compiled per class, because it decides what creating an object costs."""
    names: dict[str, object] = {"_factory": _FACTORY, "_set": object.__setattr__}
    plain: list[str] = []
    named: list[str] = []
    body: list[str] = []
    for field in (item for item in fields if item.init):
        (named if field.kw_only else plain).append(_parameter(field, names))
    for field in fields:
        value = _value(field, names)
        if value is not None:
            body.append(f"_set(self, {field.name!r}, {value})" if frozen else f"self.{field.name} = {value}")
    if hasattr(model, "__post_init__"):
        body.append("self.__post_init__()")
    head = ", ".join(["self", *plain, *(["*", *named] if named else [])])
    exec(f"def __init__({head}):\n " + "\n ".join(body or ["pass"]), names)  # noqa: S102 - names of fields, as above
    written: Callable[..., None] = names["__init__"]  # type: ignore[assignment]
    written.__annotations__ = {field.name: field.type for field in fields if field.init} | {"return": None}
    written.__module__ = model.__module__
    return written


def _parameter(field: Field[Any], names: dict[str, object]) -> str:
    if field.default is not dataclasses.MISSING:
        names[f"_default_{field.name}"] = field.default
        return f"{field.name}=_default_{field.name}"
    return f"{field.name}=_factory" if field.default_factory is not dataclasses.MISSING else field.name


def _value(field: Field[Any], names: dict[str, object]) -> str | None:
    """Return the expression that sets a field; None where `__post_init__` sets it."""
    if field.default_factory is not dataclasses.MISSING:
        names[f"_make_{field.name}"] = field.default_factory
        call = f"_make_{field.name}()"
        return f"{call} if {field.name} is _factory else {field.name}" if field.init else call
    if field.init:
        return field.name
    if field.default is dataclasses.MISSING:
        return None
    names[f"_default_{field.name}"] = field.default
    return f"_default_{field.name}"


class _Factory:
    """The default of a field with a default factory, as signatures show it."""

    def __repr__(self) -> str:
        return "<factory>"


_FACTORY: Final = _Factory()


def _getter(names: Sequence[str]) -> Callable[[Any], tuple[object, ...]]:
    """Return the function that fetches the fields of an object as a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    if not names:
        return lambda _item: ()
    get = attrgetter(names[0])
    return lambda item: (get(item),)


def _repr(names: Sequence[str]) -> Callable[[Any], str]:
    @recursive_repr("...")
    def __repr__(self: Any) -> str:  # noqa: N807 - it becomes the method
        shown = ", ".join([f"{name}={getattr(self, name)!r}" for name in names])
        return f"{type(self).__qualname__}({shown})"

    return __repr__


def _equality(names: Sequence[str], *, frozen: bool) -> dict[str, Any]:
    get = _getter(names)

    def __eq__(self: Any, other: object) -> bool:  # noqa: N807 - as above
        if other.__class__ is self.__class__:
            return get(self) == get(other)
        return NotImplemented

    def __hash__(self: Any) -> int:  # noqa: N807 - as above
        return hash(get(self))

    return {"__eq__": __eq__, "__hash__": __hash__ if frozen else None}


def _frozen(made: type[Any], names: frozenset[str], *, slots: bool) -> dict[str, Any]:
    def __setattr__(self: Any, name: str, value: object) -> None:  # noqa: N807 - as above
        if type(self) is made or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(made, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:  # noqa: N807 - as above
        if type(self) is made or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(made, self).__delattr__(name)

    return {"__setattr__": __setattr__, "__delattr__": __delattr__} | (_state() if slots else {})


def _state() -> dict[str, Any]:
    """Return the state methods that `copy` and `pickle` need for frozen objects."""

    def __getstate__(self: Any) -> list[object]:  # noqa: N807 - as above
        return [getattr(self, field.name) for field in dataclasses.fields(self)]

    def __setstate__(self: Any, state: Sequence[object]) -> None:  # noqa: N807 - as above
        for field, value in zip(dataclasses.fields(self), state, strict=True):
            object.__setattr__(self, field.name, value)

    return {"__getstate__": __getstate__, "__setstate__": __setstate__}
