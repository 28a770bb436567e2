"""Fields in place of objects, where an expression does nothing but read them: to make an object costs more than that.

`request.user.email` becomes `given_user["email"]`, `request.context.get("x")` becomes `given_facts.get("x")`, and a
question for a group by its name is one for a name among others. The result is the same. An expression that does
anything else with the person, or with the context, keeps the object.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from ostiary.record import dataclass
from ostiary.sandbox.language.analysis import EVERYTHING, Mentions
from ostiary.sandbox.language.name_sets import name_set
from ostiary.sandbox.language.names import Dialect

PERSON: Final = name_set(
    "attributes avatar date_joined email id is_active is_anonymous is_authenticated is_superuser last_login"
    " last_updated name password_change_date path pk type uid username uuid"
)
"""Fields that everybody has, nobody included."""

GROUP: Final = name_set("attributes group_uuid is_superuser name pk")
"""Fields that every group has."""

OBJECTS: Final = name_set(
    "flow_plan pending_user application source event notification connection goauthentik.io/sources/connection"
)
"""Words with which a program gets objects in the context (`prelude.variables`)."""

_GROUPS: Final = "_groups"
_EVERY_GROUP: Final = "_every_group"
_MERGED: Final = "_merged"
_GIVEN: Final = name_set("given_user given_group_names given_facts")
_LISTING: Final = name_set("list set sorted tuple")
_COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

T = TypeVar("T", bound=ast.AST)


@dataclass(frozen=True, slots=True)
class FieldAccess:
    """An expression that reads fields instead of objects. `values` are its inputs, `fields` the fields of the user."""

    body: list[ast.stmt]
    values: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()


def read_fields(body: Sequence[ast.stmt], mentions: Mentions, dialect: Dialect) -> FieldAccess:
    """Return the statements with fields in place of the person and the context, as far as that is the same."""
    reading = FieldAccess(list(body))
    if EVERYTHING in mentions.attributes or not _GIVEN.isdisjoint(mentions.names | mentions.bound):
        return reading
    variables = dialect.variables - mentions.bound
    try:
        person = _Person(reading.body, variables, mentions.bound)
        reading = FieldAccess(person.rewritten(), frozenset(person.values), frozenset(person.fields))
    except _Whole:
        pass
    if not mentions.changes and OBJECTS.isdisjoint(mentions.texts | mentions.attributes | mentions.names):
        try:
            facts = _Context(variables)
            made = facts.rewritten(reading.body)
            reading = FieldAccess(made, reading.values | facts.values, reading.fields)
        except _Whole:
            pass
    return reading


class _Whole(Exception):
    """The object itself is used."""


class _Person(ast.NodeTransformer):
    """The fields of the person. Raises _Whole."""

    def __init__(self, body: Sequence[ast.stmt], variables: frozenset[str], bound: frozenset[str]) -> None:
        self._body = copy.deepcopy(list(body))
        self._variables = variables
        self._bound = bound
        self._aliases: set[str] = set()
        self._rows: set[str] = set()
        self.fields: set[str] = set()
        self.values: set[str] = set()

    def rewritten(self) -> list[ast.stmt]:
        """Return the statements."""
        body = [statement for statement in self._body if not self._names_person(statement)]
        for loop in (node for statement in body for node in ast.walk(statement) if isinstance(node, ast.For)):
            if self._rows_of(loop.iter) is not None and isinstance(loop.target, ast.Name):
                if _times_bound(loop.target.id, self._body) != 1:
                    raise _Whole
                self._rows.add(loop.target.id)
        return [self.visit(statement) for statement in body] or [ast.Pass(lineno=1, col_offset=0)]

    def _names_person(self, statement: ast.stmt) -> bool:
        """Tell whether a statement does nothing but give the person another name, such as `user = request.user`."""
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if self._is_person(value):
                if _times_bound(name, self._body) == 1 and not _is_used_before(name, statement, self._body):
                    self._aliases.add(name)
                    return True
        return False

    def _is_person(self, node: ast.AST) -> bool:
        match node:
            case ast.Attribute(value=ast.Name(id="request"), attr="user", ctx=ast.Load()):
                return "request" in self._variables
            case ast.Name(id="user", ctx=ast.Load()) if "user" in self._variables:
                return True
            case ast.Name(id=name, ctx=ast.Load()):
                return name in self._aliases
        return False

    def _rows_of(self, node: ast.AST) -> str | None:
        """Return the field of the groups that a node stands for, None for any other."""
        match node:
            case ast.Call(func=ast.Attribute(value=relation, attr="all"), args=[], keywords=[]):
                return self._rows_of(relation) if isinstance(relation, ast.Attribute) else None
            case ast.Call(func=ast.Attribute(value=person, attr="all_groups"), args=[], keywords=[]):
                return _EVERY_GROUP if self._is_person(person) else None
            case ast.Attribute(value=person, attr="groups" | "ak_groups", ctx=ast.Load()):
                return _GROUPS if self._is_person(person) else None
        return None

    def _field(self, name: str, node: ast.AST) -> ast.expr:
        self.fields.add(name)
        self.values.add("given_user")
        return _item(_name("given_user", node), name, node)

    def _names(self, node: ast.AST) -> ast.expr:
        """Return the names of the person's own groups."""
        row = ast.Name("ostiary_row", ast.Store())
        generator = ast.comprehension(row, self._field(_GROUPS, node), [], 0)
        return _at(ast.ListComp(_item(_name("ostiary_row", node), "name", node), [generator]), node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if self._is_person(node):
            raise _Whole
        if self._is_person(node.value):
            if node.attr not in PERSON or not isinstance(node.ctx, ast.Load):
                raise _Whole
            return self._field(node.attr, node)
        if isinstance(node.value, ast.Name) and node.value.id in self._rows:
            if node.attr not in GROUP or not isinstance(node.ctx, ast.Load):
                raise _Whole
            return _item(_name(node.value.id, node), node.attr, node)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if self._is_person(node) or (node.id in self._rows and not isinstance(node.ctx, ast.Store)):
            raise _Whole
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        match node:
            case ast.Call(
                func=ast.Name(id="ak_is_group_member"), args=[person], keywords=[ast.keyword(arg="name", value=wanted)]
            ) if self._is_person(person) and "ak_is_group_member" not in self._bound:
                self.values.add("given_group_names")
                return _at(ast.Compare(self.visit(wanted), [ast.In()], [_name("given_group_names", node)]), node)
            case ast.Call(func=ast.Attribute(value=person, attr="group_attributes"), args=args, keywords=[]) if (
                self._is_person(person) and len(args) <= 1 and all(self._has_no_brand(one) for one in args)
            ):
                return _at(ast.Dict([None], [self._field(_MERGED, node)]), node)
            case ast.Call(
                func=ast.Attribute(
                    value=ast.Call(
                        func=ast.Attribute(value=ast.Attribute() as relation, attr="filter"),
                        args=[],
                        keywords=[ast.keyword(arg="name", value=wanted)],
                    ),
                    attr="exists",
                ),
                args=[],
                keywords=[],
            ) if self._rows_of(relation) is not None:
                return _at(ast.Compare(self.visit(wanted), [ast.In()], [self._names(node)]), node)
            case ast.Call(func=ast.Name(id=listing), args=[argument], keywords=[]) if (
                listing in _LISTING and listing not in self._bound and self._is_list_of_names(argument)
            ):
                node.args = [self._names(argument)]
                return node
        return self.generic_visit(node)

    def _has_no_brand(self, node: ast.AST) -> bool:
        """Tell whether a node is the request of policies and mappings, which adds nothing to attributes of groups."""
        return isinstance(node, ast.Name) and node.id == "request" and node.id in self._variables

    def _is_list_of_names(self, node: ast.AST) -> bool:
        match node:
            case ast.Call(
                func=ast.Attribute(value=relation, attr="values_list"),
                args=[ast.Constant(value="name")],
                keywords=[ast.keyword(arg="flat", value=ast.Constant(value=True))],
            ):
                return self._rows_of(relation) == _GROUPS
        return False

    def visit_For(self, node: ast.For) -> ast.AST:
        rows = self._rows_of(node.iter)
        if rows is not None and isinstance(node.target, ast.Name) and node.target.id in self._rows:
            node.iter = self._field(rows, node.iter)
        return self.generic_visit(node)

    def generic_visit(self, node: T) -> T:
        """Visit what is inside; in a comprehension over groups its variable is a row."""
        rows = set()
        if isinstance(node, _COMPREHENSIONS):
            for generator in node.generators:
                field = self._rows_of(generator.iter)
                if field is not None and isinstance(generator.target, ast.Name):
                    if generator.target.id in self._rows or _times_bound(generator.target.id, [node]) != 1:
                        raise _Whole
                    generator.iter = self._field(field, generator.iter)
                    rows.add(generator.target.id)
        self._rows |= rows
        super().generic_visit(node)
        self._rows -= rows
        return node


class _Context(ast.NodeTransformer):
    """The keys of the context. Raises _Whole."""

    def __init__(self, variables: frozenset[str]) -> None:
        self._variables = variables
        self.values: set[str] = set()

    def rewritten(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Return the statements."""
        return [self.visit(statement) for statement in copy.deepcopy(list(body))]

    def _is_context(self, node: ast.AST) -> bool:
        match node:
            case ast.Attribute(value=ast.Name(id="request"), attr="context"):
                return "request" in self._variables
            case ast.Name(id="context"):
                return "context" in self._variables
        return False

    def _facts(self, node: ast.AST) -> ast.expr:
        self.values.add("given_facts")
        return _name("given_facts", node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if self._is_context(node):
            raise _Whole
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if self._is_context(node):
            raise _Whole
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if self._is_context(node.value) and _is_text(node.slice) and isinstance(node.ctx, ast.Load):
            node.value = self._facts(node.value)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        match node:
            case ast.Call(func=ast.Attribute(value=holder, attr="get"), args=[key, *_]) if self._is_context(
                holder
            ) and _is_text(key):
                node.func = _at(ast.Attribute(self._facts(holder), "get", ast.Load()), node.func)
        return self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        match node:
            case ast.Compare(left=key, ops=[ast.In() | ast.NotIn()], comparators=[holder]) if self._is_context(
                holder
            ) and _is_text(key):
                node.comparators = [self._facts(holder)]
        return self.generic_visit(node)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _times_bound(name: str, nodes: Sequence[ast.AST]) -> int:
    """Return how often a name is assigned, defined, deleted or declared in nodes."""
    return sum(one == name for node in nodes for inner in ast.walk(node) for one in _bound_by(inner))


def _bound_by(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
            yield name
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case (
            ast.ExceptHandler(name=str() as name) | ast.MatchAs(name=str() as name) | ast.MatchStar(name=str() as name)
        ):
            yield name
        case ast.MatchMapping(rest=str() as name):
            yield name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from ((one.asname or one.name).split(".")[0] for one in names)
        case ast.Global(names=declared) | ast.Nonlocal(names=declared):
            yield from declared


def _is_used_before(name: str, statement: ast.stmt, body: Sequence[ast.stmt]) -> bool:
    place: Callable[[ast.AST], tuple[int, int]] = lambda node: (node.lineno, node.col_offset)  # type: ignore[attr-defined] # noqa: E731
    return any(
        isinstance(node, ast.Name) and node.id == name and place(node) < place(statement)
        for one in body
        for node in ast.walk(one)
    )


def _name(name: str, node: ast.AST) -> ast.expr:
    return _at(ast.Name(name, ast.Load()), node)


def _item(holder: ast.expr, key: str, node: ast.AST) -> ast.expr:
    return _at(ast.Subscript(holder, ast.Constant(key), ast.Load()), node)


def _at(made: T, node: ast.AST) -> T:
    """Return a new node that stands where the given one stands, with everything in it that stands nowhere yet."""
    for inner in ast.walk(made):
        if isinstance(inner, ast.expr) and not hasattr(inner, "lineno"):
            ast.copy_location(inner, node)
    return made
