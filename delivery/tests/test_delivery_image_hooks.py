"""The hooks as prek runs them, in a clone of what is here: they let good commits pass and stop the others."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from real_images import REPOSITORY

pytestmark = pytest.mark.image
LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", "dist", "__pycache__", "data", ".*_cache", "node_modules")
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Somebody"), ("EMAIL", "somebody@example.org"))
}
PREK = Path(sys.executable).with_name("prek")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with the environment of this checkout, as `make setup` would have made it, and the hooks in place."""
    origin, folder = tmp_path / "origin", tmp_path / "clone"
    shutil.copytree(REPOSITORY, origin, ignore=LEFT_OUT)
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "everything")):
        assert run(origin, "git", *words).returncode == 0
    assert run(tmp_path, "git", "clone", "-q", str(origin), str(folder)).returncode == 0
    (folder / ".venv").symlink_to(REPOSITORY / ".venv")
    installed = run(folder, str(PREK), "install", "--hook-type", "pre-commit", "--hook-type", "commit-msg")
    assert installed.returncode == 0, installed.stderr
    return folder


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | IDENTITY | {"PREK_HOME": str(folder / ".git/prek"), "GIT_CONFIG_GLOBAL": "/dev/null"}
    return subprocess.run(words, cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False)


def commit(folder: Path, message: str) -> subprocess.CompletedProcess[str]:
    assert run(folder, "git", "add", "-A").returncode == 0
    return run(folder, "git", "commit", "-m", message)


def test_all_hooks_pass_on_what_is_here(clone: Path) -> None:
    done = run(clone, str(PREK), "run", "--all-files")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("five places say the same versions", "pages link to what exists"):
        assert any(line.startswith(name) and line.endswith("Passed") for line in done.stdout.splitlines()), done.stdout


def test_a_version_that_drifted_is_not_committed(clone: Path) -> None:
    file = clone / "containers/ostiary/container.toml"
    file.write_text(file.read_text().replace('version = "0.1.0"', 'version = "0.1.1"', 1))
    done = commit(clone, "raise it in one place")
    assert done.returncode == 1
    assert "service-versions.yaml:" in done.stdout + done.stderr
    (clone / "README.md").write_text((clone / "README.md").read_text() + "\n[nowhere](docs/nowhere.md)\n")
    done = commit(clone, "and a link to nothing")
    assert "docs/nowhere.md" in done.stdout + done.stderr


def test_a_commit_that_breaks_its_chains_order_is_refused(clone: Path) -> None:
    assert run(clone, "git", "checkout", "-q", "-b", "chain").returncode == 0
    (clone / "scripts/new.sh").write_text("#!/bin/sh\n")
    refused = commit(clone, "C2(no-such-goal): impl the first thing")
    assert refused.returncode == 1
    assert "no-such-goal" in refused.stdout + refused.stderr
    assert commit(clone, "an ordinary change").returncode == 0
