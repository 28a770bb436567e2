"""The demo: one command, a sign-in with real claims, and everything gone at Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

import pytest
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
        with opener.open(f"http://localhost:{party}/", timeout=10) as page:
            assert b"Sign in" in page.read()
        # the blueprint is applied by the worker, at once but not before the first answer
        sign_in = "/if/flow/default-authentication-flow/"
        wait_until(lambda: led_to(opener, f"http://localhost:{party}/login") == sign_in, what=log.read_text)
        stranger = build_opener(HTTPCookieProcessor(CookieJar()))
        assert led_to(stranger, f"http://localhost:{port}/") == sign_in  # and not the page before set-up
        assert "(as akadmin, who administers it, password " in log.read_text()
    finally:
        demo.send_signal(signal.SIGINT)
        code = demo.wait(60)
    assert code == 0
    assert "Traceback" not in log.read_text()


def led_to(opener: OpenerDirector, url: str) -> str:
    """The path of the page that a browser ends on."""
    try:
        with opener.open(url, timeout=10) as page:
            return str(urlsplit(page.url).path)
    except HTTPError as refused:  # the application while Ostiary does not know it yet
        with refused:
            return f"{refused.code}"


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        ("OSTIARY_LISTEN__HTTP", "or choose another: OSTIARY_LISTEN__HTTP=127.0.0.1:"),
        ("DEMO_PORT", "or choose another port: DEMO_PORT="),
    ],
)
def test_a_taken_port_is_named_with_its_setting(tmp_path: Path, taken: str, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        environ = {**os.environ, "OSTIARY_DATA_DIR": str(tmp_path), "DEMO_PORT": str(free_port())}
        environ["OSTIARY_LISTEN__HTTP"] = f"127.0.0.1:{free_port()}"
        environ[taken] = f"127.0.0.1:{port}" if "LISTEN" in taken else str(port)
        done = subprocess.run(
            [sys.executable, "examples/demo/run.py"], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
