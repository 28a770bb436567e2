"""What an expression mentions: names, attributes and texts, as far as its tree tells."""

from __future__ import annotations

import ast
import re
import symtable
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from ostiary.record import dataclass
from ostiary.sandbox.language.name_sets import name_set

EVERYTHING: Final = "*"
"""Mentioned by a program that may reach any attribute: its names are made while it runs."""

_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BY_NAME: Final = frozenset({"getattr", "hasattr", "setattr", "format"})
_MUTATORS: Final = name_set(
    "add append appendleft clear discard extend extendleft insert pop popitem popleft redirect remove reverse rotate"
    " setdefault shuffle sort update"
)


@dataclass(frozen=True, slots=True)
class Mentions:
    """What a program mentions.

    `names` are loaded, `bound` assigned somewhere; `attributes` are looked up; `texts` are its constants. `changes`
    tells that it may change an object that it was given, and `keys` are constants looked up in the context.
    """

    names: frozenset[str]
    bound: frozenset[str]
    attributes: frozenset[str]
    texts: frozenset[str]
    changes: bool
    keys: tuple[str, ...]

    def reaches(self, attribute: str) -> bool:
        """Tell whether the program may look that attribute up."""
        return attribute in self.attributes or EVERYTHING in self.attributes


def mentions_of(body: Sequence[ast.stmt]) -> Mentions:
    """Return what statements mention."""
    nodes = [node for statement in body for node in ast.walk(statement)]
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    attributes.update(name for node in nodes if isinstance(node, ast.MatchClass) for name in node.kwd_attrs)
    if (names | attributes) & _BY_NAME:
        attributes.update(word for text in texts for word in _WORD.findall(text))
    attributes.update(name for node in nodes for name in _special(node))
    if any(_is_made(node) for node in nodes):
        attributes.add(EVERYTHING)
    return Mentions(
        names=frozenset(names),
        bound=frozenset(bound_names(body)),
        attributes=frozenset(attributes),
        texts=frozenset(texts),
        changes=any(_changes(node) for node in nodes) or bool(attributes & _MUTATORS) or EVERYTHING in attributes,
        keys=tuple(dict.fromkeys(_keys(nodes))),
    )


def bound_names(body: Sequence[ast.stmt]) -> Iterator[str]:
    """Yield every name that is assigned, defined, imported or caught anywhere in statements."""
    for node in (inner for statement in body for inner in ast.walk(statement)):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name):
                yield name
            case ast.ExceptHandler(name=str() as name):
                yield name
            case ast.MatchAs(name=str() as name) | ast.MatchStar(name=str() as name):
                yield name
            case ast.MatchMapping(rest=str() as name):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from ((one.asname or one.name).split(".")[0] for one in names)


def free_names(body: Sequence[ast.stmt]) -> frozenset[str]:
    """Return the names that a function with this body looks up outside of itself."""
    text = ast.unparse(wrapped_in_function(body))
    return frozenset(_free(symtable.symtable(text, "<expression>", "exec")))


def own_names(body: Sequence[ast.stmt]) -> frozenset[str]:
    """Return the names that a function with this body binds itself, its inner functions not counted."""
    text = ast.unparse(wrapped_in_function(body))
    (inner,) = symtable.symtable(text, "<expression>", "exec").get_children()[:1]
    return frozenset(one.get_name() for one in inner.get_symbols() if one.is_local())


def wrapped_in_function(body: Sequence[ast.stmt]) -> ast.Module:
    """Return a module with one function of that body."""
    arguments = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    function = ast.FunctionDef("expression", arguments, list(body) or [ast.Pass()], [])
    return ast.fix_missing_locations(ast.Module([function], []))


def _free(table: symtable.SymbolTable) -> Iterator[str]:
    if table.get_type() != "module":
        yield from (one.get_name() for one in table.get_symbols() if one.is_global() and one.is_referenced())
    for inner in table.get_children():
        yield from _free(inner)


def _special(node: ast.AST) -> Iterator[str]:
    """Yield the special methods that a node may call, and `__lookups__` for look-ups with a path or an operator."""
    match node:
        case ast.Compare(ops=ops, left=left, comparators=others):
            if any(isinstance(op, ast.In | ast.NotIn) for op in ops):
                yield from ("__contains__", "__eq__")
            elif not any(isinstance(one, ast.Constant) for one in (left, *others)):
                yield "__eq__"
        case ast.Name(id=name):
            yield from _OF_NAMES.get(name, ())
        case ast.Call():
            yield from ("__iter__", *_ambiguous(node))
        case ast.BinOp(op=op) | ast.UnaryOp(op=op):
            yield from _OF_OPERATORS.get(type(op), ())
        case ast.keyword(arg=None):
            yield "__lookups__"
        case ast.keyword(arg=str() as name) if "__" in name or name in {"groups", "ak_groups"}:
            yield "__lookups__"
        case _:
            yield from _OF_NODES.get(type(node), ())


_HASHED: Final = ("__hash__", "__eq__", "__getitem__")
_SHOWN: Final = ("__str__", "__repr__")
_OF_NODES: Final[Mapping[type[ast.AST], tuple[str, ...]]] = {
    ast.Set: _HASHED,
    ast.SetComp: _HASHED,
    ast.DictComp: _HASHED,
    ast.Dict: _HASHED,
    ast.Subscript: _HASHED,
    ast.JoinedStr: _SHOWN,
    ast.For: ("__iter__",),
    ast.comprehension: ("__iter__",),
    ast.Starred: ("__iter__",),
}
_OF_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("str", "format", "print", "repr", "ak_logger", "ak_message"), _SHOWN),
    **dict.fromkeys(("set", "frozenset", "dict", "hash"), _HASHED),
}
_OF_OPERATORS: Final[Mapping[type[ast.AST], tuple[str, ...]]] = {
    ast.Mod: _SHOWN,
    ast.BitOr: ("__or__",),
    ast.BitAnd: ("__and__",),
    ast.Invert: ("__invert__",),
}
_CHAINED: Final = frozenset({"all", "filter", "exclude", "order_by"})


def _ambiguous(node: ast.Call) -> Iterator[str]:
    """Yield the mark of a method that query sets have and other values too, if the call means that of query sets."""
    match node:
        case ast.Call(func=ast.Attribute(attr="get"), args=args, keywords=keywords) if keywords or not args:
            yield "__get__"
        case ast.Call(func=ast.Attribute(attr="count"), args=[]):
            yield "__count__"
        case ast.Call(func=ast.Attribute(attr="format")):
            yield from _SHOWN
        case ast.Call(func=ast.Attribute(attr="values"), args=[_, *_]):
            yield "__values__"
        case ast.Call(func=ast.Attribute(attr="values", value=ast.Call(func=ast.Attribute(attr=name)))) if (
            name in _CHAINED
        ):
            yield "__values__"


def _is_made(node: ast.AST) -> bool:
    """Tell whether a node looks up an attribute whose name is no constant."""
    match node:
        case ast.Call(func=ast.Name(id="getattr" | "setattr" | "hasattr"), args=[_, name, *_]):
            return not isinstance(name, ast.Constant)
    return False


def _changes(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del()):
            return True
        case ast.Call(func=ast.Name(id="setattr")) | ast.AugAssign():
            return True
    return False


def _keys(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the constants that are looked up in the context."""
    for node in nodes:
        match node:
            case ast.Subscript(value=holder, slice=ast.Constant(value=str() as key)) if _is_context(holder):
                yield key
            case ast.Call(
                func=ast.Attribute(value=holder, attr="get" | "pop"), args=[ast.Constant(value=str() as key), *_]
            ):
                if _is_context(holder):
                    yield key
            case ast.Compare(
                left=ast.Constant(value=str() as key), ops=[ast.In() | ast.NotIn()], comparators=[holder]
            ) if _is_context(holder):
                yield key


def _is_context(node: ast.expr) -> bool:
    return (isinstance(node, ast.Name) and node.id in {"context", "prompt_context"}) or (
        isinstance(node, ast.Attribute) and node.attr == "context"
    )
