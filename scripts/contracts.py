"""Additional kinds of import-linter contracts, used in `pyproject.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grimp
from importlinter import Contract, ContractCheck, fields, output

from scripts import faces

HERE = Path(__file__).resolve().parent.parent


class FacesContract(Contract):
    """Rooms import only public modules of each other, and every public module is imported by another room.

    `plugins` are files and folders outside the program, each treated as a room: plug-ins use only public modules, too.
    """

    plugins = fields.ListField(subfield=fields.StringField(), required=False, default=[])

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        """Compare all imports with the public modules."""
        del verbose
        packages = faces.read_packages(HERE / "src")
        imports: dict[str, Any] = {
            module: [one for one in graph.find_modules_directly_imported_by(module) if one.startswith("ostiary.")]
            for module in graph.modules
            if module.startswith("ostiary.")
        }
        imports |= {str(path): faces.read_imports(HERE / str(path), packages) for path in self.plugins}
        lines = [*faces.intrusions(imports, packages), *faces.leftovers(imports, packages)]
        return ContractCheck(kept=not lines, metadata={"lines": lines})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print a line for each violation."""
        for line in check.metadata["lines"]:
            output.print_error(line, bold=False)
        output.new_line()
