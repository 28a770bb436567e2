"""The prelude as text: the definitions that a program needs, without those parts of classes that nothing mentions."""

from __future__ import annotations

import ast
import copy
import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from typing import Final, TypeVar

from ostiary.record import dataclass
from ostiary.sandbox.language.analysis import EVERYTHING

_MODULES: Final = (
    "exceptions", "iteration", "values", "lookups", "queries", "people", "objects",
    "requests", "networks", "effects", "functions", "texts", "imports", "variables",
)  # fmt: skip
_OUTSIDE: Final = "outside"
T = TypeVar("T", bound=ast.AST)


@dataclass(frozen=True, slots=True)
class Prelude:
    """What a program takes along: its text, and what of the host's it uses. `rare` is the text that it may need."""

    text: str
    rare: str
    values: frozenset[str]
    functions: frozenset[str]
    attributes: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Library:
    """Every definition by its name; `later` are statements about a class; `outside` are names of the host."""

    definitions: Mapping[str, ast.stmt]
    later: Mapping[str, Sequence[ast.stmt]]
    values: frozenset[str]
    functions: frozenset[str]


def prelude_for(
    roots: Collection[str], *, attributes: Collection[str], texts: Collection[str], rare: Collection[str] = ()
) -> Prelude:
    """Return what a program needs that uses the definitions `roots`, looks up `attributes` and has these `texts`.

    `rare` are definitions that it uses seldom: those that nothing else needs are apart.
    """
    library = _library()
    texts = {*texts, *roots}
    reached, wanted = set(attributes), [name for name in {*roots, *rare} if name in library.definitions]
    while True:
        chosen = _closure(wanted, library, reached, texts)
        more = {node.attr for parts in chosen.values() for part in parts for node in _walk(part, ast.Attribute)}
        if more <= reached:
            break
        reached |= more
    used = {name for parts in chosen.values() for part in parts for name in _outer_names(part)} | set(roots)
    always = {*_ordered([name for name in roots if name in chosen], chosen)}
    order = _ordered(wanted, chosen)
    return Prelude(
        text=_text(chosen[name] for name in order if name in always),
        rare=_text(chosen[name] for name in order if name not in always),
        values=frozenset(used & library.values),
        functions=frozenset(used & library.functions),
        attributes=frozenset(reached),
    )


def _text(definitions: Iterable[Sequence[ast.stmt]]) -> str:
    return "".join(f"{ast.unparse(part)}\n" for parts in definitions for part in parts)


def definitions() -> frozenset[str]:
    """Return the names of the prelude."""
    return frozenset(_library().definitions)


def members_of(name: str) -> frozenset[str]:
    """Return the methods of a class of the prelude, and the attributes that its objects have from the beginning."""
    node = _library().definitions[name]
    methods = [one for one in ast.iter_child_nodes(node) if isinstance(one, ast.FunctionDef)]
    assigned = [_assigned_attribute(line) for one in methods if one.name == "__init__" for line in one.body]
    constants = [
        target.id for one in ast.iter_child_nodes(node) if isinstance(one, ast.Assign) for target in _names(one)
    ]
    return frozenset([one.name for one in methods] + [one for one in assigned if one is not None] + constants)


def _names(part: ast.Assign) -> Iterator[ast.Name]:
    yield from (target for target in part.targets if isinstance(target, ast.Name))


def _closure(
    wanted: Iterable[str], library: _Library, reached: Collection[str], texts: Collection[str]
) -> dict[str, list[ast.stmt]]:
    """Return these definitions and all that they need."""
    found: dict[str, list[ast.stmt]] = {}
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _shaken(name, library, reached, texts)
            waiting.extend(_needs(found[name], library.definitions))
    return found


def _ordered(wanted: Iterable[str], chosen: Mapping[str, Sequence[ast.stmt]]) -> list[str]:
    """Return the definitions so that each comes behind those it needs; in a circle only functions wait."""
    order: dict[str, None] = {}
    entered: set[str] = set()

    def enter(name: str) -> None:
        if name not in entered:
            entered.add(name)
            for needed in _needs(chosen[name], chosen):
                enter(needed)
            order[name] = None

    for name in sorted(wanted):
        enter(name)
    return list(order)


def _needs(parts: Iterable[ast.stmt], known: Collection[str]) -> list[str]:
    names = dict.fromkeys(name for part in parts for name in _outer_names(part))
    return [name for name in names if name in known]


def _outer_names(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node looks up outside of itself."""
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        own = {one.arg for one in ast.walk(node.args) if isinstance(one, ast.arg)}
        own |= {one.id for one in _walk(node, ast.Name) if isinstance(one.ctx, ast.Store)}
        yield from (name for part in ast.iter_child_nodes(node) for name in _outer_names(part) if name not in own)
    elif isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load):
            yield node.id
    else:
        for part in ast.iter_child_nodes(node):
            yield from _outer_names(part)


def _shaken(name: str, library: _Library, reached: Collection[str], texts: Collection[str]) -> list[ast.stmt]:
    """Return a definition without what nothing mentions, and the statements about it."""
    if EVERYTHING in reached:
        reached = texts = _Everything()
    chooser = _Chooser(reached, texts)
    definition = library.definitions[name]
    if isinstance(definition, ast.ClassDef):
        body = [_shaken_method(one, reached) for one in definition.body if _is_wanted(one, name, reached)]
        definition = copy.copy(definition)
        definition.body = [made for one in body for made in chooser.chosen(one)] or [ast.Pass()]
        parts: list[ast.stmt] = [definition]
    else:
        parts = chooser.chosen(definition)
    later = [one for one in library.later.get(name, ()) if _assigned_attribute(one) in reached]
    return [*parts, *(made for one in later for made in chooser.chosen(one))]


def _shaken_method(method: ast.stmt, reached: Collection[str]) -> ast.stmt:
    if not isinstance(method, ast.FunctionDef) or method.name != "__init__":
        return method
    made = copy.copy(method)
    made.body = [one for one in method.body if _is_wanted_of_init(one, reached)] or [ast.Pass()]
    return made


class _Everything(frozenset[str]):
    """What a program mentions that may mention anything."""

    def __contains__(self, _name: object) -> bool:
        return True


class _Chooser(ast.NodeTransformer):
    """Decides every `uses(...)`."""

    def __init__(self, reached: Collection[str], texts: Collection[str]) -> None:
        self._reached = reached
        self._texts = texts

    def chosen(self, part: ast.stmt) -> list[ast.stmt]:
        """Return the statements that take the place of one. The library's own stay as they are."""
        if not any(node.id == "uses" for node in _walk(part, ast.Name)):
            return [part]
        made = self.visit(copy.deepcopy(part))
        return made if isinstance(made, list) else [made]

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        test: ast.expr | None = node.test
        match node.test:
            case ast.BoolOp(op=ast.And(), values=[ast.Call(func=ast.Name(id="uses"), args=names), *others]):
                test = others[0] if len(others) == 1 else ast.BoolOp(ast.And(), others)
            case ast.Call(func=ast.Name(id="uses"), args=names):
                test = None
            case _:
                return self.generic_visit(node)
        wanted = [name.value for name in names if isinstance(name, ast.Constant)]
        if not any(name in self._reached or name in self._texts for name in wanted):
            return [made for one in node.orelse for made in self.chosen(one)]
        if test is None:
            return [made for one in node.body for made in self.chosen(one)]
        return self.generic_visit(ast.If(test, node.body, node.orelse))


_AMBIGUOUS: Final[Mapping[tuple[str, str], str]] = {
    ("Query", "get"): "__get__",
    ("Query", "values"): "__values__",
    ("Query", "count"): "__count__",
}
"""Methods that values of other types have as well, by the mark of a call that means these (`analysis`)."""


def _is_wanted(part: ast.stmt, owner: str, reached: Collection[str]) -> bool:
    match part:
        case ast.FunctionDef(name=name):
            return name in {"__init__", "__call__"} or _AMBIGUOUS.get((owner, name), name) in reached
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in reached
    return True


def _assigned_attribute(part: ast.stmt) -> str | None:
    match part:
        case ast.Assign(targets=[ast.Attribute(value=ast.Name(), attr=name)]):
            return name
    return None


def _is_wanted_of_init(part: ast.stmt, reached: Collection[str]) -> bool:
    name = _assigned_attribute(part)
    return name is None or name in reached


@functools.cache
def _library() -> _Library:
    """Read the prelude."""
    found: dict[str, ast.stmt] = {}
    later: dict[str, list[ast.stmt]] = {}
    for module in _MODULES:
        for part in _parts(module):
            match part:
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
                    found[name] = part
                case ast.Import(names=[ast.alias(name=name)]):
                    found[name] = part
                case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=name))]):
                    later.setdefault(name, []).append(part)
    outside = _parts(_OUTSIDE)
    return _Library(
        found,
        later,
        frozenset(name for part in outside if isinstance(part, ast.Assign) for name in _targets(part)),
        frozenset(part.name for part in outside if isinstance(part, ast.FunctionDef)),
    )


def _targets(part: ast.Assign) -> Iterator[str]:
    yield from (target.id for target in part.targets if isinstance(target, ast.Name))


def _parts(module: str) -> list[ast.stmt]:
    text = resources.files("ostiary.sandbox.language.prelude").joinpath(f"{module}.py").read_text(encoding="utf-8")
    return [part for part in _Plain().visit(ast.parse(text)).body if not _is_own_import(part)]


def _is_own_import(part: ast.stmt) -> bool:
    return isinstance(part, ast.ImportFrom)


class _Plain(ast.NodeTransformer):
    """Takes out what says nothing to a program: docstrings and types."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.returns = None
        node.body = node.body or [ast.Pass()]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self.generic_visit(node)
        return None if node.value is None else ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        self.generic_visit(node)
        return None if isinstance(node.value, ast.Constant) else node


def _walk(part: ast.AST, kind: type[T]) -> Iterator[T]:
    return (node for node in ast.walk(part) if isinstance(node, kind))
