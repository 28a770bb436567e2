"""The definition vocabulary: marks, fields, kinds, and the projections that follow from shape alone.

Owns no objects and serves no paths. Must not know storage, web or any feature: a definition is a frozen dataclass.
"""

from ostiary.resource.errors import InvalidResource, Problem, UnknownKind
from ostiary.resource.kind import Kind, Look, Numbering, Pk, Plane, Registry, Resource, kind
from ostiary.resource.marks import (
    BLUEPRINT_ONLY,
    CASELESS,
    DURATION,
    MULTILINE,
    READ_ONLY,
    SLUG,
    TIMESTAMP,
    UNIQUE,
    Help,
    Length,
    OnDelete,
    Pattern,
    Range,
    Reading,
    Reference,
    Sealed,
)

__all__ = [
    "BLUEPRINT_ONLY",
    "CASELESS",
    "DURATION",
    "MULTILINE",
    "READ_ONLY",
    "SLUG",
    "TIMESTAMP",
    "UNIQUE",
    "Help",
    "InvalidResource",
    "Kind",
    "Length",
    "Look",
    "Numbering",
    "OnDelete",
    "Pattern",
    "Pk",
    "Plane",
    "Problem",
    "Range",
    "Reading",
    "Reference",
    "Registry",
    "Resource",
    "Sealed",
    "UnknownKind",
    "bounded_cache",
    "codec",
    "diff",
    "field",
    "immutable_json",
    "json_checks",
    "kind",
    "marks",
    "timestamp",
]
