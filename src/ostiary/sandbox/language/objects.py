"""What objects have: checks of attributes and look-ups, as far as the text tells which object it is about."""

from __future__ import annotations

import ast
import difflib
import functools
from collections.abc import Iterator, Sequence
from typing import Final

from ostiary.sandbox.language.fault import LanguageFault, fault_at
from ostiary.sandbox.language.fields import GROUP, PERSON
from ostiary.sandbox.language.library import members_of
from ostiary.sandbox.language.name_sets import name_set
from ostiary.sandbox.language.names import Dialect

OPERATORS: Final = name_set(
    "exact iexact contains icontains startswith istartswith endswith iendswith in isnull gt gte lt lte has_key has_keys"
    " has_any_keys"
)
"""Operators of look-ups. A test compares them with those of the prelude."""

MISSING_OPERATORS: Final = name_set("regex iregex range contained_by")
"""Operators that Django has behind a path as well, where they would be taken for keys."""

_GROUPS: Final = name_set("groups ak_groups")
_FIELDS: Final = {"user": PERSON | _GROUPS | {"password"}, "group": GROUP}
_CHAINED: Final = name_set("all filter exclude order_by reverse distinct select_related prefetch_related")
_LOOKING: Final = name_set("filter exclude get get_or_create")
_OTHERS: Final = name_set(  # of the pending user, and those of which `checks` says more
    "backend session save delete set_password update_or_create bulk_create bulk_update refresh_from_db"
)


def check_objects(body: Sequence[ast.stmt], dialect: Dialect, bound: frozenset[str]) -> Iterator[LanguageFault]:
    """Yield look-ups and attributes that are not there. `bound` are the names that the expression assigns."""
    for node in (inner for statement in body for inner in ast.walk(statement)):
        if isinstance(node, ast.Call):
            yield from _lookups(node)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield from _attribute(node, dialect.variables - bound)


def _lookups(node: ast.Call) -> Iterator[LanguageFault]:
    kind = _looked_up(node)
    if kind is None:
        return
    for keyword in node.keywords:
        if keyword.arg is not None and keyword.arg != "defaults":
            yield from _lookup(keyword, kind, keyword.arg)


def _lookup(node: ast.keyword, kind: str, lookup: str) -> Iterator[LanguageFault]:
    field, *path = lookup.split("__")
    if field not in _FIELDS[kind]:
        near = difflib.get_close_matches(field, sorted(_FIELDS[kind]), n=1)
        yield fault_at(node, f"there is no field {field} of {kind}s", f"did you mean {near[0]}?" if near else "")
    elif path and path[-1] in MISSING_OPERATORS:
        reason = f"there is no look-up {path[-1]} here"
        yield fault_at(node, reason, "look up more, and compare in the expression", fatal=field == "attributes")
    elif path and field not in _GROUPS | {"attributes"} and (len(path) > 1 or path[0] not in OPERATORS):
        yield fault_at(node, f"there is no look-up {'__'.join(path)} of {field} here", f"there are {_all(OPERATORS)}")


def _looked_up(node: ast.Call) -> str | None:
    """Return of which kind a call looks something up."""
    match node.func:
        case ast.Name(id="ak_user_by"):
            return "user"
        case ast.Name(id="ak_is_group_member"):
            return "group"
        case ast.Attribute(value=value, attr=name) if name in _LOOKING:
            return _rows(value)
    return None


def _rows(node: ast.expr) -> str | None:
    """Return of which kind the rows of a query set are."""
    match node:
        case ast.Attribute(value=ast.Name(id="User"), attr="objects") | ast.Attribute(attr="users"):
            return "user"
        case ast.Attribute(value=ast.Name(id="Group"), attr="objects"):
            return "group"
        case ast.Attribute(attr="groups" | "ak_groups" | "parents" | "children"):
            return "group"
        case ast.Call(func=ast.Attribute(attr="all_groups")):
            return "group"
        case ast.Call(func=ast.Attribute(value=value, attr=name)) if name in _CHAINED:
            return _rows(value)
    return None


def _attribute(node: ast.Attribute, variables: frozenset[str]) -> Iterator[LanguageFault]:
    kind = _object(node.value, variables)
    if kind is None or node.attr.startswith("_") or node.attr in _OTHERS:
        return
    have = _members(kind)
    if node.attr not in have:
        near = difflib.get_close_matches(node.attr, sorted(have), n=1)
        what = ast.unparse(node.value)
        yield fault_at(node, f"{what} has no {node.attr} here", f"did you mean {near[0]}?" if near else "")


def _object(node: ast.expr, variables: frozenset[str]) -> str | None:
    """Return the class of what a node stands for."""
    match node:
        case ast.Name(id="request" | "http_request" | "user" as name) if name in variables:
            return {"request": "PolicyRequest", "http_request": "HttpRequest", "user": "User"}[name]
        case ast.Attribute(value=ast.Name(id="request"), attr="user" | "http_request" as name) if (
            "request" in variables
        ):
            return {"http_request": "HttpRequest", "user": "User"}[name]
    return None


@functools.cache
def _members(kind: str) -> frozenset[str]:
    return members_of(kind) | (PERSON if kind == "User" else frozenset())


def _all(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
