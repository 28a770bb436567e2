"""The question whether Debian's archive answers, which decides whether continuous integration tests real images."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ostiary_delivery import definition

ROOT = Path(__file__).resolve().parents[2]
NO_ANSWER = 3


def ask(archive: Path) -> subprocess.CompletedProcess[str]:
    url = archive.as_uri()
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "archive.py"],
        env={**os.environ, "DELIVERY_ARCHIVE": url, "DELIVERY_SECURITY_ARCHIVE": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_an_archive_that_has_every_suite_answers(tmp_path: Path) -> None:
    suites = {suite for name in definition.names(ROOT) for suite in definition.read(ROOT, name).debian.suites}
    assert suites
    for suite in suites:
        index = tmp_path / "dists" / suite / "InRelease"
        index.parent.mkdir(parents=True)
        index.write_text("Origin: Debian\n", "utf-8")
    result = ask(tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_a_silent_archive_has_a_code_of_its_own_and_names_the_suite(tmp_path: Path) -> None:
    result = ask(tmp_path)
    assert (result.returncode, result.stderr) == (NO_ANSWER, "")
    assert "No such file" in result.stdout
