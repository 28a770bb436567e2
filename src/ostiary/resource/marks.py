"""The marks a definition puts on its fields, inside `Annotated[...]`.

A mark says what a type cannot: where a reference leads, who may read a secret back, how long a text may be.
"""

from __future__ import annotations

import enum
from typing import Final

from ostiary.record import dataclass


class OnDelete(enum.Enum):
    """The effect on the referring object when the target of a reference is deleted."""

    PROTECT = "protect"  # the deletion is refused, naming the referrers
    CASCADE = "cascade"  # the referring object is deleted as well
    SET_NULL = "set_null"  # the reference becomes None; in a list, the item is dropped


class Reading(enum.Enum):
    """The permission to read a secret back through the API."""

    WRITE_ONLY = "write_only"  # nobody: an SMTP password
    REVEALABLE = "revealable"  # those permitted, audited: an OAuth client secret (API v3 returns it)
    KEY_MATERIAL = "key_material"  # only the key room; exported by a permission of its own


@dataclass(frozen=True, slots=True)
class Reference:
    """The field holds the primary key (or keys) of objects of `target`, a kind or a family of kinds."""

    target: str
    on_delete: OnDelete = OnDelete.PROTECT


@dataclass(frozen=True, slots=True)
class Sealed:
    """The field is a `Secret`, sealed at rest, masked everywhere, readable as `reading` says."""

    reading: Reading


@dataclass(frozen=True, slots=True)
class Help:
    """One sentence for people, shown in forms, schemas and documentation."""

    text: str


@dataclass(frozen=True, slots=True)
class Length:
    """Bounds of a text, in characters, or of a list, in items."""

    least: int = 0
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a number, inclusive."""

    least: int | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Pattern:
    """The whole text must match `expression`; `expected` completes the sentence "expected ..."."""

    expression: str
    expected: str


@dataclass(frozen=True, slots=True)
class Choices:
    """The text is one of `values`, or matches the field's `Pattern`: a choice that is open for other packages."""

    values: tuple[str, ...]


class Flag(enum.Enum):
    """Marks without parameters."""

    READ_ONLY = "read_only"  # computed or set by the program, never by a client
    UNIQUE = "unique"  # no two objects of the kind share the value
    CASELESS = "caseless"  # uniqueness and look-up ignore case (NFKC casefold)
    DURATION = "duration"  # authentik's "hours=1;minutes=5"
    TIMESTAMP = "timestamp"  # int microseconds UTC inside, ISO 8601 with Z outside
    MULTILINE = "multiline"  # a text of several lines, for forms
    BLUEPRINT_ONLY = "blueprint_only"  # writable by a blueprint, never through the API


READ_ONLY: Final = Flag.READ_ONLY
UNIQUE: Final = Flag.UNIQUE
CASELESS: Final = Flag.CASELESS
DURATION: Final = Flag.DURATION
TIMESTAMP: Final = Flag.TIMESTAMP
MULTILINE: Final = Flag.MULTILINE
BLUEPRINT_ONLY: Final = Flag.BLUEPRINT_ONLY

SLUG: Final = Pattern(r"[-a-zA-Z0-9_]+", "letters, digits, hyphens and underscores")

Mark = Reference | Sealed | Help | Length | Range | Pattern | Choices | Flag
