"""The demo: one command, a sign-in with real claims, and everything gone at Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import HTTPCookieProcessor, build_opener

from support.ports import free_port
from support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_runs_signs_in_and_ends(tmp_path: Path) -> None:
    port, party = free_port(), free_port()
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OSTIARY_", "AUTHENTIK_"))}
    environ = {
        **kept,
        "OSTIARY_DATA_DIR": str(tmp_path / "data"),
        "OSTIARY_LISTEN__HTTP": f"127.0.0.1:{port}",
        "OSTIARY_LISTEN__METRICS": f"127.0.0.1:{free_port()}",
        "DEMO_PORT": str(party),
    }
    log = tmp_path / "log"
    with log.open("wb") as out:
        demo = subprocess.Popen([sys.executable, "examples/demo/run.py"], cwd=ROOT, env=environ, stdout=out, stderr=out)
    try:
        wait_until(
            lambda: f"http://localhost:{party}/   (sign in as ada" in log.read_text(), what=log.read_text, process=demo
        )
        opener = build_opener(HTTPCookieProcessor(CookieJar()))
        assert b"Sign in" in opener.open(f"http://localhost:{party}/", timeout=10).read()
        # the blueprint is applied by the worker, at once but not before the first answer
        answer = wait_until(lambda: opener.open(f"http://localhost:{party}/login", timeout=10), what=log.read_text)
        assert urlsplit(answer.url).path == "/if/flow/default-authentication-flow/"
    finally:
        demo.send_signal(signal.SIGINT)
        code = demo.wait(60)
    assert code == 0
    assert "Traceback" not in log.read_text()
