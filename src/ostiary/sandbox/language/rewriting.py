"""The rewriting of what Python and the sandbox do differently, so that the program means what it says in Python.

Query sets are made lists where Python would go through them; callbacks may ask the host; generators, `del`, own
exceptions and imports of other modules become what the sandbox has.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Final, TypeVar

from ostiary.sandbox.language.analysis import EVERYTHING, Mentions
from ostiary.sandbox.language.modules import SHIMS
from ostiary.sandbox.language.name_sets import name_set
from ostiary.sandbox.language.names import ASKING, EXCEPTIONS

PLACED: Final = (ast.stmt, ast.expr, ast.arg, ast.keyword, ast.alias, ast.excepthandler, ast.pattern)
"""Nodes that stand somewhere."""

T = TypeVar("T", bound=ast.AST)

RELATIONS: Final = name_set(
    "groups ak_groups all_groups app_entitlements objects users parents children filter exclude order_by values_list"
)
"""Attributes behind which query sets are."""

_TELLING: Final = EXCEPTIONS - {"KeyError"}  # which shows what it holds as a literal
_ITERATING: Final = name_set(
    "list tuple set frozenset sorted sum min max any all enumerate zip map filter reversed iter len bool dict"
)
_ITERATING_METHODS: Final = name_set("join extend update union intersection difference")
_ITERATORS: Final = name_set("enumerate filter iter map reversed zip")
_CONSUMING: Final = name_set("list tuple set frozenset sorted sum min max any all dict")
_TYPES: Final = name_set("str bytes dict list set tuple int float")
_OF_TYPES: Final = name_set("fromkeys fromhex from_bytes maketrans")
METHODS: Final = name_set(
    "add append capitalize casefold center clear copy count decode difference discard encode endswith expandtabs"
    " extend find format get index insert intersection isalnum isalpha isascii isdecimal isdigit isdisjoint"
    " isidentifier islower isnumeric isprintable isspace issubset issuperset istitle isupper items join keys ljust"
    " lower lstrip partition pop popitem remove removeprefix removesuffix replace reverse rfind rindex rjust"
    " rpartition rsplit rstrip setdefault sort split splitlines startswith strip swapcase title union update upper"
    " values zfill"
)
"""Methods of Python's own types, which the sandbox calls, but does not hand out as values."""
_ADDRESSES: Final = name_set("ak_client_ip ip_address ip_network")
_ORDERING: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_SURE: Final = (
    ast.Constant, ast.JoinedStr, ast.List, ast.Dict, ast.Set, ast.Tuple, ast.ListComp, ast.SetComp, ast.DictComp,
    ast.GeneratorExp, ast.Compare, ast.Lambda, ast.BinOp,
)  # fmt: skip


def rewrite(body: Sequence[ast.stmt], mentions: Mentions) -> list[ast.stmt]:
    """Return the statements for the sandbox. The given ones are changed."""
    rewriter = _Rewriter(mentions)
    function = rewriter.function(ast.Module(list(body), []))
    return [ast.fix_missing_locations(statement) for statement in function.body]


class _Rewriter(ast.NodeTransformer):
    """One expression."""

    def __init__(self, mentions: Mentions) -> None:
        reaching = mentions.attributes
        self._rows = bool(reaching & RELATIONS) or EVERYTHING in reaching
        self._asks = self._rows or bool(mentions.names & ASKING)
        self._bound = mentions.bound
        self._mentions = mentions
        self._addresses = bool(mentions.names & _ADDRESSES)
        self._own: set[str] = set()
        self._errors = 0

    # Query sets

    def _listed(self, node: ast.expr) -> ast.expr:
        if (
            not self._rows
            or isinstance(node, _SURE)
            or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))
        ):
            return node
        return _call("ostiary_rows", [node], node)

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        node.iter = self._listed(node.iter)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.iter = self._listed(node.iter)
        node.ifs = [self._listed(test) for test in node.ifs]
        return node

    def visit_If(self, node: ast.If) -> ast.AST:
        return self._tested(node)

    def visit_While(self, node: ast.While) -> ast.AST:
        return self._tested(node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        return self._tested(node)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        return self._tested(node)

    def visit_match_case(self, node: ast.match_case) -> ast.AST:
        self.generic_visit(node)
        node.guard = None if node.guard is None else self._listed(node.guard)
        return node

    def _tested(self, node: ast.If | ast.While | ast.IfExp | ast.Assert) -> ast.AST:
        self.generic_visit(node)
        node.test = self._listed(node.test)
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Not):
            node.operand = self._listed(node.operand)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        node.values = [*(self._listed(value) for value in node.values[:-1]), node.values[-1]]
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if self._addresses and any(isinstance(op, _ORDERING) for op in node.ops):
            node.left = _call("ostiary_ordered", [node.left], node)
            node.comparators = [_call("ostiary_ordered", [one], node) for one in node.comparators]
        pairs = zip(node.ops, node.comparators, strict=True)
        node.comparators = [self._listed(one) if isinstance(op, ast.In | ast.NotIn) else one for op, one in pairs]
        return node

    def visit_Starred(self, node: ast.Starred) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load):
            node.value = self._listed(node.value)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load):
            node.value = self._listed(node.value)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        if any(isinstance(target, ast.Tuple | ast.List) for target in node.targets):
            node.value = self._listed(node.value)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        """Add a list where Python adds an iterator to one: to anything else neither can be added."""
        iterates = isinstance(node.value, ast.GeneratorExp) or (
            isinstance(node.value, ast.Call)
            and isinstance(node.value.func, ast.Name)
            and node.value.func.id in _ITERATORS - self._bound
        )
        self.generic_visit(node)
        if iterates and isinstance(node.op, ast.Add):
            item = ast.Name("ostiary_item", ast.Store())
            generator = ast.comprehension(item, node.value, [], 0)
            node.value = _at(ast.ListComp(_name("ostiary_item", node), [generator]), node)
        return node

    # Calls

    def visit_Call(self, node: ast.Call) -> ast.AST:
        match node.func:
            case ast.Name(id=name) if name in _CONSUMING and name not in self._bound and len(node.args) == 1:
                node.args = [_as_list(node.args[0])]
            case ast.Attribute(attr="join") if len(node.args) == 1:
                node.args = [_as_list(node.args[0])]
        match node.func:
            case ast.Attribute(value=ast.Name(id=kind), attr=method) if self._is_method(kind, method) and node.args:
                node.func = _at(ast.Attribute(node.args[0], method, ast.Load()), node.func)
                node.args = node.args[1:]
        if isinstance(node.func, ast.Attribute):
            node.func.value = self.visit(node.func.value)
        else:
            node.func = self.visit(node.func)
        node.args = [self.visit(one) for one in node.args]
        node.keywords = [self.visit(one) for one in node.keywords]
        return self._called(node)

    def _called(self, node: ast.Call) -> ast.AST:
        match node.func:
            case ast.Name(id=name) if name in _TELLING and name not in self._bound and len(node.args) == 1:
                node.args = [self._told(node.args[0])]
            case ast.Name(id=name) if name not in self._bound:
                if name in _ITERATING:
                    node.args = [one if isinstance(one, ast.Starred) else self._listed(one) for one in node.args]
                if name == "hasattr":
                    node.func = _name("ostiary_hasattr", node)
                return self._called_back(node, name)
            case ast.Attribute(attr="sort") if self._asks and any(one.arg == "key" for one in node.keywords):
                return _call("ostiary_sort", [node.func.value, *node.args], node, node.keywords)
            case ast.Attribute(attr="now"):
                return _call("ostiary_now", [node.func.value, *node.args], node, node.keywords)
            case ast.Attribute(attr="today" | "time" as name) if not node.args and not node.keywords:
                return _call(f"ostiary_{name}", [node.func.value], node)
            case ast.Attribute(attr=name) if name in _ITERATING_METHODS:
                node.args = [one if isinstance(one, ast.Starred) else self._listed(one) for one in node.args]
        return node

    def _told(self, node: ast.expr) -> ast.expr:
        """Return what an exception is made with as a text: that is all the sandbox's own exceptions hold."""
        is_text = isinstance(node, ast.JoinedStr | ast.Starred) or _is_text(node)
        if is_text or self._mentions.reaches("args"):
            return node
        return _at(ast.JoinedStr([ast.FormattedValue(node, -1)]), node)

    def _called_back(self, node: ast.Call, name: str) -> ast.AST:
        """Have callbacks called by code of ours, in which they may ask the host."""
        if not self._asks:
            return node
        keyed = any(one.arg == "key" for one in node.keywords)
        if (name in {"map", "filter"} and len(node.args) > 1) or (name in {"sorted", "min", "max"} and keyed):
            node.func = _name(f"ostiary_{name}", node)
        return node

    def _is_method(self, kind: str, method: str) -> bool:
        return kind in _TYPES and kind not in self._bound and method not in _OF_TYPES

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Make a function of a method that is no call: `key=str.lower`, `key=counts.get`."""
        if isinstance(node.value, ast.Name) and self._is_method(node.value.id, node.attr):
            return _function(node.attr, node)
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load) and node.attr in METHODS:
            name = _at(ast.Constant(node.attr), node)
            return _call("ostiary_method", [node.value, name, _function(node.attr, node)], node)
        return node

    # Generators

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        self.generic_visit(node)
        return _call("iter", [_at(ast.ListComp(node.elt, node.generators), node)], node)

    def function(self, node: T) -> T:
        """Rewrite a function, or the whole expression: one that yields gathers what it yields in a list."""
        found = _Yields()
        for statement in node.body:  # type: ignore[attr-defined]
            found.visit(statement)
        self.generic_visit(node)
        if found.found:
            replaced = [_Yielding().visit(statement) for statement in node.body]  # type: ignore[attr-defined]
            first, last = _statement("ostiary_yielded = []", replaced[0]), replaced[-1]
            end = _statement("return iter(ostiary_yielded)", last)
            node.body = [first, *replaced, end]  # type: ignore[attr-defined]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self.function(node)

    # Deletion

    def visit_Delete(self, node: ast.Delete) -> list[ast.AST]:
        self.generic_visit(node)
        return [_at(ast.Expr(_deleted(target)), node) for target in node.targets]

    # Exceptions

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        base = node.bases[0] if node.bases else None
        if base is None or (isinstance(base, ast.Name) and base.id == "object"):
            node.bases = []
            return node
        self._own.add(node.name)
        value = _call("OwnException", [_at(ast.Constant(node.name), node), base], node)
        return _at(ast.Assign([_at(ast.Name(node.name, ast.Store()), node)], value), node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        self.generic_visit(node)
        named = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        if isinstance(named, ast.Name) and named.id == "SkipObject" and "SkipObject" not in self._bound:
            return _at(ast.Expr(_call("host_skip_object", [], node)), node)
        if node.exc is not None and not isinstance(node.exc, ast.Call) and not _is_plain(node.exc, self._bound):
            node.exc = _call("ostiary_raise", [node.exc], node)
        return node

    def visit_Try(self, node: ast.Try) -> ast.AST:
        self.generic_visit(node)
        if all(one.type is None or _is_plain(one.type, self._bound) for one in node.handlers):
            return node
        self._errors += 1
        name = f"ostiary_error_{self._errors}"
        otherwise: list[ast.stmt] = [_at(ast.Raise(), node.handlers[-1])]
        for handler in reversed(node.handlers):
            named = [] if handler.name is None else [_assigned(handler.name, name, handler)]
            body = [*named, *handler.body]
            if handler.type is None:
                otherwise = body
                continue
            test = _call("ostiary_catches", [_name(name, handler), handler.type], handler)
            otherwise = [_at(ast.If(test, body, otherwise), handler)]
        bare = node.handlers[-1].type is None
        caught = _name("BaseException" if bare else "Exception", node.handlers[0])
        node.handlers = [_at(ast.ExceptHandler(caught, name, otherwise), node.handlers[0])]
        return node

    # Imports

    def visit_Import(self, node: ast.Import) -> ast.AST | list[ast.AST]:
        kept = [one for one in node.names if not _is_shim(one.name)]
        made = [self._module(one, node) for one in node.names if _is_shim(one.name)]
        return [*([_at(ast.Import(kept), node)] if kept else []), *made]

    def _module(self, alias: ast.alias, node: ast.Import) -> ast.AST:
        path = alias.name.split(".")
        value = self._contents(alias.name, node)
        if alias.asname is None:
            for name in reversed(path[1:]):
                value = _call("ostiary_module", [], node, [_at(ast.keyword(name, value), node)])
        return _at(ast.Assign([_at(ast.Name(alias.asname or path[0], ast.Store()), node)], value), node)

    def _contents(self, name: str, node: ast.Import) -> ast.expr:
        wanted = {word: own for word, own in SHIMS[name].items() if self._mentions.reaches(word)}
        return _call(
            "ostiary_module", [], node, [_at(ast.keyword(word, _name(own, node)), node) for word, own in wanted.items()]
        )

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | list[ast.AST]:
        if node.module is None or not _is_shim(node.module):
            return node
        have = SHIMS[node.module]
        for one in node.names:
            if one.name not in have:
                text = f"cannot import name {one.name!r} from {node.module!r}"
                return _statement(f"raise ImportError({text!r})", node)
        return [_assigned(one.asname or one.name, have[one.name], node) for one in node.names]


class _Yields(ast.NodeVisitor):
    """Looks for a `yield` of this very function."""

    found = False

    def visit_Yield(self, _node: ast.Yield) -> None:
        self.found = True

    def visit_YieldFrom(self, _node: ast.YieldFrom) -> None:
        self.found = True

    def visit_FunctionDef(self, _node: ast.FunctionDef) -> None:
        """An inner function is another one."""

    def visit_Lambda(self, _node: ast.Lambda) -> None:
        """As above."""

    def visit_ClassDef(self, _node: ast.ClassDef) -> None:
        """As above."""


class _Yielding(ast.NodeTransformer):
    """Replaces what yields, and what returns from a function that does."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        match node.value:
            case ast.Yield(value=value):
                item = _at(ast.Constant(None), node) if value is None else value
                return _at(ast.Expr(_method("ostiary_yielded", "append", item, node)), node)
            case ast.YieldFrom(value=value):
                return _at(ast.Expr(_method("ostiary_yielded", "extend", value, node)), node)
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        return _at(ast.Return(_call("iter", [_name("ostiary_yielded", node)], node)), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_shim(module: str) -> bool:
    return module in SHIMS


def _is_plain(node: ast.expr, bound: frozenset[str]) -> bool:
    """Tell whether a node is one of Python's own exceptions, or a tuple of them."""
    if isinstance(node, ast.Tuple):
        return all(_is_plain(one, bound) for one in node.elts)
    return isinstance(node, ast.Name) and node.id in EXCEPTIONS and node.id not in bound


def _deleted(target: ast.expr) -> ast.expr:
    match target:
        case ast.Subscript(value=holder, slice=ast.Slice(lower=lower, upper=upper, step=step)):
            parts = [_at(ast.Constant(None), target) if one is None else one for one in (lower, upper, step)]
            return _call("ostiary_delete_slice", [holder, *parts], target)
        case ast.Subscript(value=holder, slice=key):
            return _call("ostiary_delete", [holder, key], target)
    raise AssertionError(ast.dump(target))  # refused before


def _as_list(node: ast.expr) -> ast.expr:
    return _at(ast.ListComp(node.elt, node.generators), node) if isinstance(node, ast.GeneratorExp) else node


def _assigned(name: str, value: str, node: ast.AST) -> ast.stmt:
    return _at(ast.Assign([_at(ast.Name(name, ast.Store()), node)], _name(value, node)), node)


def _name(name: str, node: ast.AST) -> ast.expr:
    return _at(ast.Name(name, ast.Load()), node)


def _call(name: str, arguments: list[ast.expr], node: ast.AST, keywords: list[ast.keyword] | None = None) -> ast.Call:
    return _at(ast.Call(_name(name, node), arguments, keywords or []), node)


def _method(holder: str, method: str, argument: ast.expr, node: ast.AST) -> ast.Call:
    return _at(ast.Call(_at(ast.Attribute(_name(holder, node), method, ast.Load()), node), [argument], []), node)


def _function(method: str, node: ast.AST) -> ast.expr:
    """Return a function that calls a method of its first argument."""
    text = f"lambda ostiary_x, *ostiary_a, **ostiary_k: ostiary_x.{method}(*ostiary_a, **ostiary_k)"
    statement = _statement(text, node)
    assert isinstance(statement, ast.Expr)  # noqa: S101 - the text is a lambda
    return statement.value


def _statement(text: str, node: ast.AST) -> ast.stmt:
    (statement,) = ast.parse(text).body
    for inner in ast.walk(statement):
        if isinstance(inner, PLACED):
            ast.copy_location(inner, node)
    return statement


def _at(made: T, node: ast.AST) -> T:
    """Return a new node that stands where the given one stands, with everything in it that stands nowhere yet."""
    ast.copy_location(made, node)
    for inner in ast.walk(made):
        if isinstance(inner, PLACED) and not hasattr(inner, "lineno"):
            ast.copy_location(inner, node)
    return made
