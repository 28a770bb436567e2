"""Refuses circles of imports between modules, also those that only type checkers see (under TYPE_CHECKING)."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping


def main() -> int:
    """Print every circle; 1 when there is one."""
    import grimp  # noqa: PLC0415 - `make test` comes without the programs of `make check`

    graph = grimp.build_graph("ostiary", exclude_type_checking_imports=False, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    found = [" -> ".join(circle) for circle in circles(imports)]
    print("\n".join(found) or "no circle of imports")
    return 1 if found else 0


def circles(imports: Mapping[str, set[str]]) -> Iterator[list[str]]:
    """Yield circles as paths back to their first module, until none is left without a module of one named."""
    left = _pruned(imports)
    while left:
        circle = _walk(left)
        yield [*circle, circle[0]]
        left = _pruned({module: others for module, others in left.items() if module not in circle})


def _pruned(imports: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return the modules that import one of those that are left: what does not is in no circle."""
    left = dict(imports)
    while True:
        inner = {module: others & left.keys() for module, others in left.items()}
        fewer = {module: others for module, others in inner.items() if others}
        if len(fewer) == len(left):
            return fewer
        left = fewer


def _walk(left: Mapping[str, set[str]]) -> list[str]:
    """Return a circle: go from import to import until a module comes again."""
    path = [min(left)]
    while (step := min(left[path[-1]])) not in path:
        path.append(step)
    return path[path.index(step) :]


if __name__ == "__main__":
    sys.exit(main())
