"""How the program behaves as a service: first run, restart, kill, stop, guards, settings, command line."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2 as httpx
from live import Person, Server, setup_link
from support.waiting import wait_until

PASSWORD = "a quiet enough password"


def _executor(server: Server, link: str) -> str:
    return f"{server.url}/api/v3/flows/executor/initial-setup/?{urlencode({'query': urlsplit(link).query})}"


def _answer_wizard(person: Person, executor: str, email: str, password: str) -> dict[str, Any]:
    challenge = person._follow(person.client.get(executor))
    assert challenge["component"] == "ak-stage-prompt", challenge
    values = {"email": email, "password": password, "password_repeat": password}
    return person._follow(person.client.post(executor, json={"component": "ak-stage-prompt", **values}))


def test_a39_first_run_wizard_and_the_door_behind_it(make_server: Callable[..., Server]) -> None:
    server = make_server().start()
    assert "setup-link" in httpx.get(f"{server.url}/").text
    link_file = server.folder / "data" / "setup-link"
    assert stat.S_IMODE(link_file.stat().st_mode) == 0o600
    link = setup_link(server)
    assert "token=" not in server.log()
    page = httpx.get(f"{server.url}/if/flow/initial-setup/")
    assert "setup-link" in page.text
    assert "<form" not in page.text
    newer = server.cli("setup-link").stdout
    assert "token=" in newer
    false = httpx.get(link)  # the newer one has replaced it
    assert false.status_code == 403
    assert "This link is not valid: it was replaced" in false.text
    assert "This link is not valid" not in page.text
    person = Person(server.url)
    end = _answer_wizard(person, _executor(server, newer.strip().split()[-1]), "root@example.org", PASSWORD)
    assert end["component"] == "xak-flow-redirect", end
    me = person.client.get(f"{server.url}/api/v3/core/users/me/").json()["user"]
    assert (me["username"], me["email"], me["is_superuser"]) == ("akadmin", "root@example.org", True)
    for spent in (link, newer.strip().split()[-1]):
        stranger = Person(server.url)
        answer = stranger._follow(stranger.client.get(_executor(server, spent)))
        assert answer["component"] == "ak-stage-access-denied"
        assert "This link has been used" in answer["error_message"]
        assert "This link has been used" in httpx.get(spent, follow_redirects=True).text
    closed = server.cli("setup-link", check=False)
    assert closed.returncode != 0
    assert not link_file.exists()
    again = Person(server.url, "akadmin", PASSWORD)
    assert again.get(f"{server.url}/if/user/").status_code == 200


def test_a_session_survives_kill_and_restart(make_server: Callable[..., Server]) -> None:
    server = make_server(AUTHENTIK_BOOTSTRAP_PASSWORD="71946283507194").start()
    person = Person(server.url, "akadmin", "71946283507194")
    assert person.get(f"{server.url}/if/user/").status_code == 200
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    server.start()
    assert person.client.get(f"{server.url}/if/user/").status_code == 200
    assert server.stop() == 0


def test_a_process_goes_on_while_a_newer_version_has_migrated(make_server: Callable[..., Server]) -> None:
    """As in a cluster between the migration Job and the new pods; it only does not start again."""
    server = make_server().start()
    server.add_user("ada", PASSWORD)
    with closing(sqlite3.connect(server.folder / "data/ostiary.db")) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            if not table.startswith("sqlite_"):
                database.execute(f"ALTER TABLE {table} ADD COLUMN from_the_next_version TEXT")
        database.execute("INSERT INTO schema_step (number, room, title, applied) VALUES (99999, 'next', 'version', 0)")
        database.commit()
    person = Person(server.url, "ada", PASSWORD)
    assert person.get(f"{server.url}/if/user/").status_code == 200
    assert httpx.get(f"{server.url}/-/health/ready/").status_code == 200
    assert server.stop() == 0
    again = server.cli("user", "list", check=False)
    assert again.returncode != 0
    assert "written by a newer version of Ostiary" in again.stderr


def test_sign_in_guessing_is_throttled_and_logged(make_server: Callable[..., Server]) -> None:
    server = make_server().start()
    server.add_user("ada", PASSWORD)
    statuses = []
    for _ in range(14):
        person = Person(server.url, "ada", "wrong")
        executor = f"{server.url}/api/v3/flows/executor/default-authentication-flow/?query="
        answer = person._follow(person.client.get(executor))
        answer = person._follow(
            person.client.post(executor, json={"component": answer["component"], "uid_field": "ada"})
        )
        reply = person.client.post(executor, json={"component": answer["component"], "password": "wrong"})
        statuses.append(reply.status_code)
        if reply.status_code == 429:
            assert int(reply.headers["retry-after"]) > 0
            break
    assert statuses[-1] == 429
    assert "sign-in failed" in server.log()
    assert "address=127.0.0.1" in server.log()


def test_stop_fails_ready_first_and_is_quick(make_server: Callable[..., Server]) -> None:
    server = make_server().start()
    assert httpx.get(f"{server.url}/-/health/live/").status_code == 200
    assert httpx.get(f"http://127.0.0.1:{server.metrics}/metrics").status_code == 200
    assert httpx.get(f"{server.url}/-/metrics/").status_code in {401, 404}
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGTERM)
    assert server.process.wait(60) == 0


def closed(server: Server) -> bool:
    try:
        httpx.get(f"{server.url}/-/health/live/", timeout=5)
    except httpx.TransportError:
        return True
    return False


def test_stop_lets_a_sign_in_in_flight_end(make_server: Callable[..., Server]) -> None:
    """A request whose body is still on its way when SIGTERM comes is answered; new ones meet a closed door."""
    server = make_server().start()
    person = Person(server.url)
    executor = "/api/v3/flows/executor/default-authentication-flow/?query="
    challenge = person._follow(person.client.get(f"{server.url}{executor}"))
    body = json.dumps({"component": challenge["component"], "uid_field": "ada"}).encode()
    cookie = "; ".join(f"{one.name}={one.value}" for one in person.client.cookies.jar)
    head = (
        f"POST {executor} HTTP/1.1\r\nHost: localhost:{server.port}\r\nCookie: {cookie}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(head.encode() + body[:10])
        assert server.process is not None
        os.kill(server.process.pid, signal.SIGTERM)
        wait_until(lambda: closed(server), what="the door stays open")
        line.sendall(body[10:])
        line.settimeout(60)
        assert line.recv(64).startswith(b"HTTP/1.1 302")
    assert server.process.wait(60) == 0


def test_recovery_link_shows_a_button_and_is_consumed_once(make_server: Callable[..., Server]) -> None:
    server = make_server().start()
    server.add_user("ada", PASSWORD)
    link = server.cli("recovery-link", "ada").stdout.strip().split()[-1].replace("http://localhost:9000", server.url)
    person = Person(server.url)
    page = person.client.get(link)
    assert page.status_code == 200
    assert person.client.get(link).status_code == 200, "looking must not consume"
    assert "<form" in page.text


def test_settings_shows_sources_and_hides_secrets(make_server: Callable[..., Server]) -> None:
    server = make_server(AUTHENTIK_SECRET_KEY="a-very-secret-key-that-must-not-be-shown")
    shown = server.cli("settings").stdout
    assert "a-very-secret-key" not in shown
    assert "AUTHENTIK_SECRET_KEY" in shown
    assert "OSTIARY_DATA_DIR" in shown


def test_errors_are_one_clear_line(make_server: Callable[..., Server]) -> None:
    server = make_server()
    server.cli("migrate")
    done = server.cli("recovery-link", "nobody", check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "nobody" in done.stderr
