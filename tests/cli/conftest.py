"""Commands run in this process, with settings of their own."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from cli_runs import Done, Run

from ostiary.cli import main


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process, with settings of its own."""
    for name in list(os.environ):
        if name.startswith(("OSTIARY_", "AUTHENTIK_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OSTIARY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def call(*words: str, given: str = "") -> Done:
        monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        code = main(words)
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


@pytest.fixture
def run(bare: Run) -> Run:
    """The same in a folder with an installation."""
    assert bare("migrate").code == 0
    return bare
