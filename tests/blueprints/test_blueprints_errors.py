"""The texts of errors, as golden files: errors/NAME.yaml fails with errors/NAME.txt.

After a deliberate change: OSTIARY_GOLDEN=write pytest tests/blueprints/test_blueprints_errors.py, and read the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from blueprints_world import World

from ostiary.blueprints.report import render

FOLDER = Path(__file__).parent / "errors"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
async def test_error_texts(ready: World, path: Path) -> None:
    number = ready.editor.plane.snapshot.number
    said = render(await ready.apply(path, environ={"A_SECRET": "sesame-open"})).replace(f"{path.parent}/", "") + "\n"
    golden = path.with_suffix(".txt")
    if os.environ.get("OSTIARY_GOLDEN") == "write":
        golden.write_text(said)
    assert said == golden.read_text()
    assert "sesame" not in said
    assert ready.editor.plane.snapshot.number == number
