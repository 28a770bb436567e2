"""Refuses import cycles between modules, also those under TYPE_CHECKING."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping


def main() -> int:
    """Print every cycle. Returns the exit code: 1 if there is one."""
    import grimp  # noqa: PLC0415 - `make test` does not install the programs of `make check`

    graph = grimp.build_graph("ostiary", exclude_type_checking_imports=False, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    cycles = [" -> ".join(circle) for circle in circles(imports)]
    print("\n".join(cycles) or "no import cycle")
    return 1 if cycles else 0


def circles(imports: Mapping[str, set[str]]) -> Iterator[list[str]]:
    """Yield cycles as paths back to their first module. No module is in two of them."""
    remaining = _pruned(imports)
    while remaining:
        circle = _walk(remaining)
        yield [*circle, circle[0]]
        remaining = _pruned({module: others for module, others in remaining.items() if module not in circle})


def _pruned(imports: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return the imports without modules that import none of the others: these are in no cycle."""
    remaining = dict(imports)
    while True:
        inner = {module: others & remaining.keys() for module, others in remaining.items()}
        fewer = {module: others for module, others in inner.items() if others}
        if len(fewer) == len(remaining):
            return fewer
        remaining = fewer


def _walk(remaining: Mapping[str, set[str]]) -> list[str]:
    """Return a cycle: follow imports until a module is repeated."""
    path = [min(remaining)]
    while (step := min(remaining[path[-1]])) not in path:
        path.append(step)
    return path[path.index(step) :]


if __name__ == "__main__":
    sys.exit(main())
