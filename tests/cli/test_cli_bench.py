"""The benchmark's own installation: it is made, and the server on it answers what is measured."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MEASURED = """
import sys
from pathlib import Path
import ostiary_target as target
folder = Path(sys.argv[1])
environ = target.environment(folder, None)
target.install(folder, environ, more=sys.argv[2])
server = target.serve(folder, environ)
server.stop()
print("it answers")
"""


def measured(folder: Path, more: str) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own: modules of the benchmark have names that others have too."""
    environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'bench'}:{ROOT / 'tests'}"}
    command = [sys.executable, "-c", MEASURED, str(folder), more]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)


def test_the_benchmark_reaches_its_server(tmp_path: Path) -> None:
    done = measured(tmp_path, "")
    assert "it answers" in done.stdout, done.stderr


def test_a_failed_installation_is_an_error(tmp_path: Path) -> None:
    done = measured(tmp_path, "- nonsense")
    assert done.returncode != 0
    assert "blueprint apply" in done.stderr
    assert "failed" in done.stderr
