"""A newcomer clones the repository into an empty folder and types what README says first."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest
from support.documents import ROOT, commands
from support.ports import free_port
from support.waiting import wait_until

SETUP = 300.0  # seconds for an environment whose packages may have to be fetched


@contextmanager
def typed(command: str, folder: Path, ports: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of README until the block ends, then end it with all it started."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OSTIARY_", "AUTHENTIK_"))}
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=folder, env=kept | ports, stdout=out, stderr=out, process_group=0
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
        wait_until(lambda: group_is_gone(process.pid), what=f"{command} goes on")


def group_is_gone(number: int) -> bool:
    """Say whether no process of a group is left: they end one after the other."""
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_clone_demo_and_run(tmp_path: Path) -> None:
    first = commands("README.md")[:4]
    assert first == ["git clone <this repository> ostiary", "cd ostiary", "make demo", "make run"]
    subprocess.run(["bash", "-c", first[0].replace("<this repository>", str(ROOT))], cwd=tmp_path, check=True)
    folder = tmp_path / "ostiary"
    pages, party = free_port(), free_port()
    ports = {
        "OSTIARY_LISTEN__HTTP": f"127.0.0.1:{pages}",
        "OSTIARY_LISTEN__METRICS": f"127.0.0.1:{free_port()}",
        "DEMO_PORT": str(party),
    }
    log = tmp_path / "demo"
    with typed(first[2], folder, ports, log) as demo:
        wait_until(lambda: "(sign in as ada" in log.read_text(), what=log.read_text, process=demo, seconds=SETUP)
        assert "Sign in" in httpx.get(f"http://localhost:{party}/").text
    log = tmp_path / "run"
    with typed(first[3], folder, ports, log) as run:
        wait_until(lambda: "first run: open the link in" in log.read_text(), what=log.read_text, process=run)
        assert httpx.get(f"http://localhost:{pages}/-/health/ready/").status_code == 200
    assert (folder / "data/setup-link").stat().st_mode & 0o777 == 0o600
    changed = subprocess.run(["git", "status", "--short"], cwd=folder, capture_output=True, text=True, check=True)
    assert changed.stdout == ""
