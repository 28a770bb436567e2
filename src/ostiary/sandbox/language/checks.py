"""What an expression may not contain: what the sandbox has not, and what would mean something else there."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ostiary.sandbox.language.analysis import bound_names, free_names
from ostiary.sandbox.language.fault import LanguageFault, fault_at
from ostiary.sandbox.language.modules import NATIVE, SHIMS
from ostiary.sandbox.language.name_sets import name_set
from ostiary.sandbox.language.names import EXCEPTIONS, INSTEAD, Dialect
from ostiary.sandbox.language.objects import check_objects
from ostiary.sandbox.language.rewriting import METHODS

RESERVED: Final = "ostiary_"
"""How the names of the sandbox's own definitions begin."""

_DUNDERS: Final = name_set(
    "abs add and call contains enter eq exit float floordiv getitem hash init int invert iter lshift matmul mod mul neg"
    " next or pow radd repr round str sub truediv xor"
)
"""Special methods that the sandbox calls."""

MISSING_METHODS: Final[Mapping[str, str]] = {
    "bit_count": "", "bit_length": "", "combine": "", "ctime": "use isoformat", "difference_update": "use difference",
    "fold": "", "format_map": "use format(**values)", "from_bytes": "", "fromisocalendar": "", "fromordinal": "",
    "fromtimestamp": "add a timedelta to datetime(1970, 1, 1, tzinfo=timezone.utc)",
    "intersection_update": "use intersection", "isocalendar": "", "maketrans": "use replace",
    "subn": "use sub", "symmetric_difference_update": "use symmetric_difference", "timetuple": "", "to_bytes": "",
    "toordinal": "", "translate": "use replace", "utcfromtimestamp": "use datetime(1970, 1, 1) and a timedelta",
    "utcnow": "use datetime.now(timezone.utc)", "utctimetuple": "", "with_traceback": "", "add_note": "",
}  # fmt: skip
"""Methods of Python's own types that the sandbox has not."""

_WRITING: Final = name_set("save delete set_password update_or_create bulk_create bulk_update refresh_from_db")
_CHANGING: Final = name_set("clear pop popitem setdefault update")
_STORED: Final = "expressions change nothing that is stored: let a user write stage write prompt_data"

_NODES: Final[Mapping[type[ast.AST], tuple[str, str]]] = {
    ast.AsyncFunctionDef: ("there are no asynchronous functions", "write a plain function"),
    ast.AsyncFor: ("there are no asynchronous loops", "write a plain loop"),
    ast.AsyncWith: ("there are no asynchronous contexts", "write a plain with"),
    ast.Await: ("there is no await", "call it as it is"),
    **({ast.TryStar: ("there is no except*", "use except")} if hasattr(ast, "TryStar") else {}),
    **({ast.TypeAlias: ("there is no type statement", "leave it out")} if hasattr(ast, "TypeAlias") else {}),
}


def check_body(body: Sequence[ast.stmt], dialect: Dialect) -> list[LanguageFault]:
    """Return everything that is wrong with statements, in the order of the text."""
    objects = check_objects(body, dialect, frozenset(bound_names(body)))
    found = [*_Checker(body, dialect).faults(), *_unknown(body, dialect), *objects]
    return sorted(dict.fromkeys(found), key=lambda fault: (fault.line, fault.column))


def _unknown(body: Sequence[ast.stmt], dialect: Dialect) -> Iterator[LanguageFault]:
    """Yield each name that nobody knows, where it stands first."""
    known = dialect.known
    unknown = free_names(body) - known - {"ostiary_"}
    seen: set[str] = set()
    for node in (inner for statement in body for inner in ast.walk(statement)):
        if isinstance(node, ast.Name) and node.id in unknown and node.id not in seen:
            seen.add(node.id)
            yield fault_at(node, f"{node.id} is not a name of a {dialect.name}", _instead(node.id, known))


def _instead(name: str, known: frozenset[str]) -> str:
    if name in INSTEAD:
        return INSTEAD[name]
    if name in NATIVE or any(name == module.split(".")[0] for module in SHIMS):
        return f"write `import {name}` first"
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"did you mean {near[0]}?" if near else ""


class _Checker:
    """The checks of one expression."""

    def __init__(self, body: Sequence[ast.stmt], dialect: Dialect) -> None:
        self._body = body
        self._dialect = dialect
        self._nodes = [node for statement in body for node in ast.walk(statement)]
        self._own = {node.name for node in self._nodes if isinstance(node, ast.ClassDef) and node.bases}
        self._named = {  # `x.__class__.__name__` alone: the class goes nowhere
            _end(node.value)
            for node in self._nodes
            if isinstance(node, ast.Attribute) and node.attr == "__name__"
            if isinstance(node.value, ast.Attribute) and node.value.attr == "__class__"
        }
        self._statements = {_place(node.value) for node in self._nodes if isinstance(node, ast.Expr)}

    def faults(self) -> Iterator[LanguageFault]:
        """Yield what is wrong."""
        for node in self._nodes:
            if (known := _NODES.get(type(node))) is not None:
                yield fault_at(node, *known, fatal=True)
            yield from self._of(node)

    def _of(self, node: ast.AST) -> Iterator[LanguageFault]:
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.FunctionDef(name=name) if name.startswith(RESERVED):
                yield fault_at(
                    node, f"names that begin with {RESERVED} belong to the sandbox", "choose another name", fatal=True
                )
            case ast.Yield() | ast.YieldFrom() if _place(node) not in self._statements:
                yield fault_at(
                    node, "the value of yield cannot be used", "let yield stand on a line of its own", fatal=True
                )
            case ast.Delete(targets=targets):
                yield from self._deleted(targets)
            case ast.ClassDef():
                yield from self._class(node)
            case ast.Import(names=names):
                yield from (fault for one in names for fault in _imported(node, one.name))
            case ast.ImportFrom():
                yield from self._from(node)
            case ast.Global(names=names):
                yield from (
                    fault_at(node, f"{name} cannot be made global", "choose another name", fatal=True)
                    for name in names
                    if name in self._dialect.known
                )
            case ast.Attribute(attr=name):
                yield from self._attribute(node, name)
            case ast.Call() | ast.Subscript():
                yield from self._call(node)

    def _unheard(self, node: ast.expr) -> Iterator[LanguageFault]:
        """Yield what is wrong with a change of what a source gathers: nobody would hear of it."""
        if "properties" in self._dialect.variables:
            yield fault_at(node, "what is written into properties is lost here", "return a dictionary", fatal=True)

    def _deleted(self, targets: Sequence[ast.expr]) -> Iterator[LanguageFault]:
        for target in targets:
            if not isinstance(target, ast.Subscript):
                yield fault_at(target, "del works on items only", "leave it out, or set it to None", fatal=True)

    def _class(self, node: ast.ClassDef) -> Iterator[LanguageFault]:
        methods = [inner for inner in node.body if isinstance(inner, ast.FunctionDef)]
        if node.keywords:
            yield fault_at(node, "classes have no metaclass here", "leave it out", fatal=True)
        for base in node.bases:
            if isinstance(base, ast.Name) and base.id == "object":
                continue
            if not isinstance(base, ast.Name) or base.id not in EXCEPTIONS | self._own | {"ObjectDoesNotExist"}:
                yield fault_at(
                    base, "a class can only have an exception as its base", "write it without a base", fatal=True
                )
            elif methods or len(node.bases) > 1 or any(not _is_idle(one) for one in node.body):
                yield fault_at(
                    node, "an exception of your own has no contents here", "write `pass` as its body", fatal=True
                )
        for method in methods:
            if method.decorator_list:
                yield fault_at(method, "methods have no decorators here", "write a plain method", fatal=True)
            name = method.name
            if name.startswith("__") and name.strip("_") not in _DUNDERS:
                yield fault_at(
                    method, f"{name} is never called here", "write a method with a name of its own", fatal=True
                )

    def _from(self, node: ast.ImportFrom) -> Iterator[LanguageFault]:
        module = node.module or ""
        if node.level:
            yield fault_at(node, "there is no package to import from", "name the module")
            return
        have = NATIVE.get(module) or SHIMS.get(module)
        if have is None:
            yield from _imported(node, module)
            return
        for one in node.names:
            if one.name not in have:
                near = difflib.get_close_matches(one.name, sorted(have), n=1)
                instead = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(have))}"
                yield fault_at(node, f"{module} has no {one.name} here", instead)

    def _attribute(self, node: ast.Attribute, name: str) -> Iterator[LanguageFault]:
        if name == "session" and _is_request(node.value):
            yield fault_at(node, "there is no session here", "keep it in the context of the flow's plan")
        elif name in MISSING_METHODS:
            yield fault_at(node, f"there is no method {name} here", MISSING_METHODS[name])
        elif name in _WRITING:
            yield fault_at(node, f"{name} would write", _STORED)
        elif name.startswith(RESERVED):
            yield fault_at(
                node, f"names that begin with {RESERVED} belong to the sandbox", "choose another name", fatal=True
            )
        elif name.startswith("__") and name.endswith("__") and name != "__name__" and _end(node) not in self._named:
            yield fault_at(node, f"{name} cannot be reached here", "use isinstance, or type(...)", fatal=True)
        elif (
            isinstance(node.value, ast.Name)
            and node.value.id in self._modules()
            and name not in self._have(node.value.id)
        ):
            yield fault_at(node, f"{node.value.id} has no {name} here", "")

    def _modules(self) -> Mapping[str, str]:
        """Return the modules by the names they are imported under."""
        return {
            one.asname or one.name: one.name
            for node in self._nodes
            if isinstance(node, ast.Import)
            for one in node.names
            if one.name in NATIVE or (one.name in SHIMS and (one.asname or "." not in one.name))
        }

    def _have(self, name: str) -> frozenset[str] | set[str]:
        module = self._modules()[name]
        return NATIVE[module] if module in NATIVE else set(SHIMS[module])

    def _call(self, node: ast.Call | ast.Subscript) -> Iterator[LanguageFault]:
        match node:
            case ast.Call(func=ast.Name(id="hasattr" | "getattr"), args=[_, ast.Constant(value=str() as name), *_]):
                if name in METHODS:
                    yield fault_at(
                        node, f"whether there is a method {name} cannot be told here", "use isinstance", fatal=True
                    )
            case ast.Call(func=ast.Attribute(value=ast.Name(id="properties"), attr=name)) if name in _CHANGING:
                yield from self._unheard(node)
            case ast.Subscript(value=ast.Name(id="properties"), ctx=ast.Store() | ast.Del()):
                yield from self._unheard(node)
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="objects"), attr="create" | "update" as name)):
                yield fault_at(node, f"{name} would write", _STORED)
            case ast.Call(
                func=ast.Attribute(
                    value=ast.Attribute(attr="groups" | "ak_groups"), attr="add" | "remove" | "set" | "clear" as name
                )
            ):
                yield fault_at(
                    node,
                    f"{name} would write",
                    "expressions change nothing that is stored: set `groups` of the flow's context",
                )


def _is_request(node: ast.expr) -> bool:
    return (isinstance(node, ast.Name) and node.id == "http_request") or (
        isinstance(node, ast.Attribute) and node.attr == "http_request"
    )


def _place(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _end(node: ast.expr) -> tuple[int | None, int | None]:
    return node.end_lineno, node.end_col_offset


def _imported(node: ast.AST, module: str) -> Iterator[LanguageFault]:
    if module in NATIVE or module in SHIMS:
        return
    near = difflib.get_close_matches(module, [*NATIVE, *SHIMS], n=1)
    yield fault_at(node, f"the module {module} is not available", f"did you mean {near[0]}?" if near else "")


def _is_idle(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
