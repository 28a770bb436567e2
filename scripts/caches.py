"""Finds every cache of the program in its syntax tree. A test compares them with docs/caches.md.

A cache is a function with `functools.cache`, `lru_cache` or `cached_property`, an instance of a cache class, and
anything that looks like one: an attribute or a global in which a class or function both looks up and stores keys. A
value cached with a snapshot of the configuration (`Snapshot.memo`) is identified by its key.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

DECORATORS: Final = {"cache", "lru_cache", "cached_property"}
CLASSES: Final = {"BoundedCache", "WeakKeyDictionary", "WeakValueDictionary", "OrderedDict"}
STORING: Final = {"keep", "setdefault", "add"}
READING: Final = {"get", "setdefault"}
MEMO_KEY: Final = re.compile(r"[a-z0-9]+(\.[a-z_]+)+")


def caches(root: Path) -> set[str]:
    """Return the caches in the folder of a package, as `Class.attribute` or `module.name`.

    Neither contains the path, so that a module can move to another folder.
    """
    return {name for path in root.rglob("*.py") for name in of_module(ast.parse(path.read_text()), path.stem)}


def memo_keys(root: Path) -> set[str]:
    """Return the first words of the keys passed to `Snapshot.memo`."""
    keys: set[str] = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                keys |= set(_memo_keys(node))
    return keys


def keyed_by_identity(root: Path) -> set[str]:
    """Return the files that use `id()`. As a key, it could later belong to another object."""
    return {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "id"
    }


def of_module(tree: ast.Module, module: str) -> set[str]:
    """Return the caches of a module."""
    names = {
        node.id
        for statement in tree.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    caches = {f"{module}.{name}" for name in _objects(tree.body, names)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            caches |= {f"{node.name}.{name}" for name in _memos(node, set()) | set(_objects(node.body, names))}
            caches |= {f"{node.name}.{name}" for name in _decorated(node)}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            caches |= {f"{module}.{name}" for name in _memos(node, names) & names}
    return caches | {f"{module}.{name}" for name in _decorated(tree)}


def _decorated(scope: ast.Module | ast.ClassDef) -> Iterator[str]:
    for node in scope.body:
        if isinstance(node, ast.FunctionDef) and any(_called(one) in DECORATORS for one in node.decorator_list):
            yield node.name


def _objects(body: list[ast.stmt], names: set[str]) -> Iterator[str]:
    """Yield the names and attributes to which statements, also in methods, assign an instance of a cache class."""
    for node in (inner for one in body if not isinstance(one, ast.ClassDef) for inner in _walk(one)):
        if isinstance(node, ast.AnnAssign | ast.Assign) and node.value is not None and _creates_cache(node.value):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if (name := _place(target, names)) is not None:
                    yield name
                elif isinstance(target, ast.Name) and node in body:
                    yield target.id


def _walk(statement: ast.stmt) -> Iterator[ast.AST]:
    """Yield a statement and its inner statements, except classes."""
    yield statement
    for node in ast.iter_child_nodes(statement):
        if isinstance(node, ast.stmt) and not isinstance(node, ast.ClassDef):
            yield from _walk(node)


def _creates_cache(value: ast.expr) -> bool:
    return any(isinstance(node, ast.Call) and _called(node) in CLASSES for node in ast.walk(value))


def _memos(scope: ast.AST, names: set[str]) -> set[str]:
    """Return the attributes of `self`, and the globals among `names`, with both look-ups and assignments."""
    read: set[str] = set()
    written: set[str] = set()
    for node in ast.walk(scope):
        if isinstance(node, ast.Subscript):
            (written if isinstance(node.ctx, ast.Store) else read).add(_place(node.value, names) or "")
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            read.add(_place(node.comparators[0], names) or "")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = _place(node.func.value, names) or ""
            read |= {name} if node.func.attr in READING else set()
            written |= {name} if node.func.attr in STORING else set()
    return (read & written) - {""}


def _memo_keys(function: ast.AST) -> Iterator[str]:
    """Yield the texts in the keys that a function passes to `memo`, directly or by a local name."""
    assigned = {
        target.id: node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "memo":
            key = node.args[0]
            key = assigned.get(key.id, key) if isinstance(key, ast.Name) else key
            for part in ast.walk(key):
                if isinstance(part, ast.Constant) and MEMO_KEY.fullmatch(str(part.value)):
                    yield str(part.value)


def _called(node: ast.expr) -> str:
    """Return the last name of a called function or decorator."""
    if isinstance(node, ast.Call):
        return _called(node.func)
    if isinstance(node, ast.Subscript):
        return _called(node.value)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _place(node: ast.expr, names: set[str]) -> str | None:
    """Return the name of an attribute of `self` or of a global, or None."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return node.attr
    return node.id if isinstance(node, ast.Name) and node.id in names else None
