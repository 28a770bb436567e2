"""One field of a definition: its shape, read from the annotation, and the three spellings of its values.

`parse` reads client and blueprint input, `dump` and `load` are for storage, `wire` for responses.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ostiary.proto.duration import parse_duration
from ostiary.record import dataclass
from ostiary.resource.json_checks import name_of, require_json, require_text
from ostiary.resource.marks import Flag, Length, Pattern, Range, Reading, Reference
from ostiary.resource.timestamp import format_timestamp, parse_timestamp
from ostiary.seal import STARS, Secret

__all__ = ["Field", "Shape", "format_timestamp"]

_ANY_LENGTH: Final = Length()
_ANY_RANGE: Final = Range()
_TRUE: Final = frozenset(("true", "t", "yes", "y", "on", "1"))
_FALSE: Final = frozenset(("false", "f", "no", "n", "off", "0"))
_NUMBER: Final = re.compile(r"[-+]?[0-9]+(?:\.[0-9]*)?")
_DIGITS: Final = 40
_EXACT: Final = 2**53  # integers that every JSON parser reads exactly


class Shape(enum.Enum):
    """The basic form of a value."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    OBJECT = "object"  # free JSON object
    RECORD = "record"  # a nested dataclass
    KEY = "key"  # primary key of another object


@dataclass(frozen=True, slots=True)
class Field:
    """A field as the projections see it."""

    name: str
    shape: Shape
    many: bool
    nullable: bool
    required: bool
    default: Callable[[], object]
    constant: bool = False  # the default is always the same, so schemas may show it
    choices: tuple[str | int, ...] = ()
    record: type[Any] | None = None
    parts: Mapping[str, Field] = dataclasses.field(default_factory=dict)  # the fields of the record
    reference: Reference | None = None
    sealed: Reading | None = None
    help: str = ""
    length: Length = _ANY_LENGTH
    range: Range = _ANY_RANGE
    pattern: Pattern | None = None
    flags: frozenset[Flag] = frozenset()

    def parse(self, raw: object) -> object:
        """Parse client input. Raises ValueError with the expectation, "expected ..."."""
        if raw is None or (raw == "" and self.shape is Shape.KEY):
            if self.nullable:
                return None
            raise ValueError(f"must not be null, expected {self.expectation()}")
        if not self.many:
            return self._one(raw)
        if not isinstance(raw, Sequence) or isinstance(raw, str | bytes):
            raise ValueError(f"expected a list of {self.expectation()}")  # noqa: TRY004 - all problems are ValueErrors
        values: list[object] = []
        for index, item in enumerate(raw):
            try:
                values.append(self._one(item))
            except ValueError as error:
                message = f"item {index}: {error}"
                raise ValueError(message) from error
        self._bound(len(values), "items")
        return tuple(values)

    def expectation(self) -> str:
        """Return the expectation of a value, in words."""
        if self.shape is Shape.CHOICE:
            others = [] if self.pattern is None else [f"or {self.pattern.expected}"]
            return "one of " + ", ".join([*(str(choice) for choice in self.choices), *others])
        if self.reference is not None:
            return f"the primary key of an existing {self.reference.target}"
        if Flag.DURATION in self.flags:
            return 'a duration such as "hours=1;minutes=30"'
        if Flag.TIMESTAMP in self.flags:
            return "a time such as 2026-01-31T12:00:00Z"
        if self.record is not None:
            return "a mapping with " + ", ".join(self.parts)
        return {
            Shape.TEXT: "a text",
            Shape.INTEGER: "a whole number",
            Shape.NUMBER: "a number",
            Shape.BOOLEAN: "true or false",
            Shape.OBJECT: "a mapping",
        }[self.shape]

    def dump(self, value: object) -> object:
        """Return the value as plain JSON for storage. Secrets stay `Secret`: the store seals them."""
        if value is None:
            return None
        if self.many:
            return [self._dump_one(item) for item in _items(value)]
        return self._dump_one(value)

    def load(self, stored: object) -> object:
        """Return the value of a `dump`, after a JSON round trip."""
        if stored is None:
            return None
        if self.many:
            return tuple(self._load_one(item) for item in _items(stored))
        return self._load_one(stored)

    def wire(self, value: object) -> object:
        """Return the value for clients: secrets are stars unless revealable, times are ISO 8601."""
        return self.spell(value, lambda field, secret: secret.reveal() if field.sealed is Reading.REVEALABLE else STARS)

    def masked(self, value: object) -> object:
        """Return the value for audit events and previews, without any secret."""
        return self.spell(value, lambda _, __: STARS)

    def clear(self, value: object) -> object:
        """Return the value as plain JSON with secrets in the clear, for comparison only."""
        return self.spell(value, lambda _, secret: secret.reveal())

    def item(self, raw: object) -> object:
        """Return one value, also of a field that holds many, as look-ups compare it. Raises ValueError."""
        return self._one(raw)

    def spell(self, value: object, secret: Callable[[Field, Secret], object]) -> object:
        """Return the value as plain JSON with times as ISO 8601, and each secret as `secret` spells it."""
        if value is None:
            return None
        if self.many:
            return [self._spell_one(item, secret) for item in _items(value)]
        return self._spell_one(value, secret)

    def _spell_one(self, value: object, secret: Callable[[Field, Secret], object]) -> object:
        if isinstance(value, Secret):
            return secret(self, value)
        if Flag.TIMESTAMP in self.flags and isinstance(value, int):
            return format_timestamp(value)
        if self.record is not None:
            return {name: field.spell(getattr(value, name), secret) for name, field in self.parts.items()}
        return value

    def _one(self, raw: object) -> object:
        read: Callable[[object], object] = {
            Shape.TEXT: self._text,
            Shape.INTEGER: self._number,
            Shape.NUMBER: self._number,
            Shape.BOOLEAN: self._boolean,
            Shape.CHOICE: self._choice,
            Shape.OBJECT: self._object,
            Shape.RECORD: self._record,
            Shape.KEY: self._key,
        }[self.shape]
        return read(raw)

    def _object(self, raw: object) -> object:
        if isinstance(raw, Mapping):
            return require_json(raw)
        raise self._unlike(raw)

    def _key(self, raw: object) -> object:
        if isinstance(raw, str | int) and not isinstance(raw, bool) and raw != "":
            return raw
        raise self._unlike(raw)

    def _unlike(self, raw: object) -> ValueError:
        return ValueError(f"expected {self.expectation()}, not {name_of(raw)}")

    def _boolean(self, raw: object) -> bool:
        # Environment variables are texts: authentik reads them as booleans, so blueprints rely on it.
        if isinstance(raw, str | bool | int):
            word = str(raw).lower()
            if word in _TRUE or word in _FALSE:
                return word in _TRUE
        raise self._unlike(raw)

    def _choice(self, raw: object) -> str | int:
        for choice in self.choices:
            if not isinstance(raw, bool) and isinstance(raw, str | int) and str(raw) == str(choice):
                return choice
        if self.pattern is not None and isinstance(raw, str) and re.fullmatch(self.pattern.expression, raw):
            return raw
        raise ValueError(f"expected {self.expectation()}")

    def _text(self, raw: object) -> object:
        if Flag.TIMESTAMP in self.flags:
            return parse_timestamp(raw)
        if isinstance(raw, Secret):
            raw = raw.reveal()
        if isinstance(raw, int | float) and not isinstance(raw, bool):
            raw = str(raw)  # authentik takes numbers as texts: an all-digit name in YAML is a number
        if not isinstance(raw, str):
            raise self._unlike(raw)
        require_text(raw)
        if not self.many:
            self._bound(len(raw), "characters")
        if self.pattern is not None and not re.fullmatch(self.pattern.expression, raw):
            raise ValueError(f"expected {self.pattern.expected}")
        if Flag.DURATION in self.flags:
            parse_duration(raw)
        return Secret(raw) if self.sealed is not None else raw

    def _number(self, raw: object) -> int | float:
        number = raw
        if isinstance(raw, str) and len(raw) <= _DIGITS and _NUMBER.fullmatch(raw.strip()):
            number = float(raw) if self.shape is Shape.NUMBER else int(raw.strip().partition(".")[0])
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise self._unlike(raw)
        if isinstance(number, float) and not math.isfinite(number):
            raise ValueError(f"expected {self.expectation()}")
        if self.shape is Shape.INTEGER and isinstance(number, float):
            if not number.is_integer():
                raise ValueError(f"expected {self.expectation()}")
            number = int(number)
        least = -_EXACT if self.range.least is None else self.range.least
        most = _EXACT if self.range.most is None else self.range.most
        if not least <= number <= most:
            raise ValueError(f"expected a number from {least} to {most}")
        return number

    def _record(self, raw: object) -> object:
        if self.record is None or not isinstance(raw, Mapping):
            raise self._unlike(raw)
        unknown = [str(name) for name in raw if name not in self.parts]
        # guard: A01 a post-logout address is not accepted for a sign-in
        if unknown:  # an address of another purpose, say, must not become one of this
            raise ValueError(f"unknown {', '.join(unknown[:8])[:200]}, expected {self.expectation()}")
        values: dict[str, object] = {}
        for name, part in self.parts.items():
            try:
                if name in raw:
                    values[name] = part.parse(raw[name])
                elif part.required:
                    raise ValueError("is required")  # noqa: TRY301 - completed below with the part's name
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        made: object = self.record(**values)
        return made

    def _bound(self, size: int, unit: str) -> None:
        least, most = self.length.least, self.length.most
        if size < least:
            message = "must not be empty" if least == 1 else f"expected at least {least} {unit}"
            raise ValueError(message)
        if most is not None and size > most:
            message = f"expected at most {most} {unit}, not {size}"
            raise ValueError(message)

    def _dump_one(self, value: object) -> object:
        if self.record is not None:
            return {name: field.dump(getattr(value, name)) for name, field in self.parts.items()}
        return value

    def _load_one(self, stored: object) -> object:
        if self.record is not None and isinstance(stored, Mapping):
            return self.record(
                **{name: self.parts[name].load(item) for name, item in stored.items() if name in self.parts}
            )
        return stored


def _items(value: object) -> Sequence[object]:
    return typing.cast("Sequence[object]", value)
