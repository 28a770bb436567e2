"""The faces of rooms: their public modules, which other rooms may import.

A room is a package of `ostiary`, or of one of its families of plug-ins (`ostiary.providers`, `ostiary.sources`). The
`__all__` of a package lists its public modules, in addition to its own definitions. A module is public if each step
of its path is listed: `store.workspace.editor` if `store` lists `workspace`, and `store.workspace` lists `editor`.
Inside a room, all modules may be imported.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from ostiary.record import dataclass

ROOT: Final = "ostiary"
FAMILIES: Final = frozenset({"ostiary.providers", "ostiary.sources"})
"""Packages whose packages are rooms."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package, with its modules and its `__all__`."""

    modules: frozenset[str]
    exports: tuple[str, ...]

    @property
    def public(self) -> list[str]:
        """The modules that other rooms may import."""
        return [name for name in self.exports if name in self.modules]


Packages = Mapping[str, Package]
Imports = Mapping[str, Collection[str]]
"""The imported modules, by importer. An importer outside the program is treated as a separate room."""


def room_of(module: str) -> str:
    """Return the room of a module."""
    steps = module.split(".")
    return ".".join(steps[: 3 if ".".join(steps[:2]) in FAMILIES else 2])


def hidden(module: str, packages: Packages) -> str | None:
    """Return the package whose `__all__` hides a module, or None if the module is public."""
    package = room_of(module)
    while package != module:
        step = module[len(package) + 1 :].partition(".")[0]
        if step not in packages[package].exports:
            return package
        package = f"{package}.{step}"
    return None


def intrusions(imports: Imports, packages: Packages) -> Iterator[str]:
    """Yield a line for each import of another room's internal module."""
    for importer, imported in sorted(imports.items()):
        for module in sorted(imported):
            if room_of(module) == room_of(importer):
                continue
            package = hidden(module, packages)
            if package is not None:
                yield f"{importer} imports {module}, which is not public: see the __all__ of {package}"


def leftovers(imports: Imports, packages: Packages) -> Iterator[str]:
    """Yield a line for each public module that no other room imports."""
    used = {
        module for importer, imported in imports.items() for module in imported if room_of(module) != room_of(importer)
    }
    for name, package in sorted(packages.items()):
        for step in package.public:
            module = f"{name}.{step}"
            if not any(one == module or one.startswith(f"{module}.") for one in used):
                yield f"the __all__ of {name} contains {step}, which no other room imports"


def public_modules(package: str, packages: Packages) -> Iterator[str]:
    """Yield the public modules of a package and of its public packages."""
    for step in sorted(packages[package].public):
        module = f"{package}.{step}"
        inside = packages.get(module)
        if inside is None or len(inside.public) < len(inside.exports):
            yield module
        if inside is not None:
            yield from public_modules(module, packages)


def summary(source: Path, module: str) -> str:
    """Return the first line of the docstring of a module or package."""
    path = source.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def twins(source: Path) -> Iterator[str]:
    """Yield a line for each public class with the same name as a class of another room.

    The prelude of expressions names its classes as authentik does.
    """
    modules: dict[str, dict[str, str]] = {}
    for path in sorted((source / ROOT).rglob("*.py")):
        if path.parent.name == "prelude":
            continue
        module = ".".join(path.relative_to(source).with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules.setdefault(node.name, {}).setdefault(room_of(module), module)
    for name, rooms in sorted(modules.items()):
        if len(rooms) > 1:
            yield f"there is a class {name} in {' and '.join(sorted(rooms.values()))}"


def function_twins(source: Path) -> Iterator[str]:
    """Yield a line for each function that another room imports, and whose name is that of a function elsewhere.

    Commands are left out: they are called what people type.
    """
    defined: dict[str, dict[str, str]] = {}
    imported: set[tuple[str, str]] = set()
    for path in sorted((source / ROOT).rglob("*.py")):
        module = ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if room_of(module) != f"{ROOT}.cli" and path.stem != "room":
            functions = [one for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
            for name in (one.name for one in functions if not one.name.startswith("_")):
                defined.setdefault(name, {}).setdefault(room_of(module), module)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and room_of(node.module or "") != room_of(module):
                imported |= {(node.module or "", alias.name) for alias in node.names}
    for name, rooms in sorted(defined.items()):
        if len(rooms) > 1 and any((module, name) in imported for module in rooms.values()):
            yield f"there is a function {name} in {' and '.join(sorted(rooms.values()))}"


def read_packages(source: Path) -> dict[str, Package]:
    """Return the packages in the source folder of `ostiary`, by name."""
    return {
        ".".join(path.parent.relative_to(source).parts): Package(_modules(path.parent), _exports(path))
        for path in sorted((source / ROOT).rglob("__init__.py"))
        if path.parent != source / ROOT
    }


def read_imports(path: Path, packages: Packages) -> set[str]:
    """Return the modules of the program that an external file or folder imports."""
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return {
        _module(node.module, alias.name, packages)
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith(f"{ROOT}.")
        for alias in node.names
    }


def _module(package: str, name: str, packages: Packages) -> str:
    known = packages.get(package)
    return f"{package}.{name}" if known is not None and name in known.modules else package


def _modules(folder: Path) -> frozenset[str]:
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return frozenset(files | {path.parent.name for path in folder.glob("*/__init__.py")})


def _exports(path: Path) -> tuple[str, ...]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [getattr(one, "id", "") for one in node.targets] == ["__all__"]:
            return tuple(ast.literal_eval(node.value))
    return ()
