"""What holds when things fail: the database is gone, the process is killed, two processes race for one token."""

from __future__ import annotations

import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import asyncpg
import httpx2 as httpx
import pytest
from live import Person, Server
from support.postgres import PostgresServer, apart, make_server
from support.waiting import wait_until

from ostiary.store.postgresql.opening import PostgresConfig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

BLUEPRINT = Path(__file__).parents[1] / "e2e" / "blueprint.yaml"
CALLBACK = "http://localhost:9/callback"
BASIC = ("authlib", "authlib-secret-for-tests")
PASSWORD = "correct horse battery"
ROUNDS = 8
Make = Callable[..., Server]


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A server of one's own, to be stopped; it is as durable as a real one."""
    server = make_server(fsync=True)
    yield server
    server.remove()


def settings(config: PostgresConfig) -> dict[str, str]:
    return {
        "AUTHENTIK_SECRET_KEY": "a-secret-key-of-the-failure-tests-0123456789",
        "AUTHENTIK_POSTGRESQL__HOST": config.host,
        "AUTHENTIK_POSTGRESQL__PORT": str(config.port),
        "AUTHENTIK_POSTGRESQL__NAME": config.name,
        "AUTHENTIK_POSTGRESQL__USER": config.user,
        "AUTHENTIK_POSTGRESQL__PASSWORD": config.password.reveal(),
    }


def prepared(server: Server) -> Server:
    server.start()
    server.cli("blueprint", "apply", str(BLUEPRINT))
    server.add_user("ada", PASSWORD)
    return server


@dataclass
class Party:
    """An application with one signed-in person, at one or several processes."""

    person: Person
    scope: str = "openid offline_access"
    http: httpx.Client = field(
        default_factory=lambda: httpx.Client(timeout=20, limits=httpx.Limits(max_connections=60))
    )

    def code(self, url: str = "") -> str:
        base = url or self.person.base
        query = {"client_id": "authlib", "response_type": "code", "redirect_uri": CALLBACK, "scope": self.scope}
        answer = self.person.get(f"{base}/application/o/authorize/?{urlencode(query)}", stop=CALLBACK)
        return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]

    def token(self, url: str, **form: str) -> httpx.Response:
        return self.http.post(f"{url}/application/o/token/", data=form, auth=BASIC)

    def exchange(self, url: str, code: str) -> httpx.Response:
        return self.token(url, grant_type="authorization_code", code=code, redirect_uri=CALLBACK)

    def refresh(self, url: str, token: str) -> httpx.Response:
        return self.token(url, grant_type="refresh_token", refresh_token=token)

    def active(self, url: str, token: str) -> bool:
        answer = self.http.post(f"{url}/application/o/introspect/", data={"token": token}, auth=BASIC)
        assert answer.status_code == 200, answer.text
        return bool(answer.json()["active"])

    def userinfo(self, url: str, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return self.http.get(f"{url}/application/o/userinfo/", headers=headers).status_code


@pytest.fixture
def party() -> Iterator[Callable[[Server], Party]]:
    made: list[Party] = []

    def make(server: Server) -> Party:
        made.append(Party(Person(server.url, "ada", PASSWORD)))
        return made[-1]

    yield make
    for one in made:
        one.http.close()


# The database is gone


def test_without_its_database_the_program_says_so_and_comes_back(
    make_server: Make, postgres: PostgresServer, party: Callable[[Server], Party]
) -> None:
    server = prepared(make_server(**settings(postgres.create_database())))
    app = party(server)
    tokens = app.exchange(server.url, app.code()).json()
    code = app.code()
    postgres.stop(signal.SIGQUIT)
    own = f"{server.url}/application/o/authlib"
    for attempt in range(2):
        answers = [
            app.exchange(server.url, code),
            app.refresh(server.url, tokens["refresh_token"]),
            app.http.get(
                f"{server.url}/application/o/userinfo/", headers={"Authorization": f"Bearer {tokens['access_token']}"}
            ),
            app.http.post(
                f"{server.url}/application/o/introspect/", data={"token": tokens["access_token"]}, auth=BASIC
            ),
            app.person.client.get(f"{server.url}/api/v3/flows/executor/default-authentication-flow/?query="),
            app.person.client.get(f"{server.url}/if/user/"),
            app.http.get(f"{server.url}/-/health/ready/"),
        ]
        assert [answer.status_code for answer in answers] == [503] * len(answers), attempt
        assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
        assert not any("Traceback" in answer.text or "asyncpg" in answer.text for answer in answers)
        assert app.http.get(f"{server.url}/-/health/live/").status_code == 200
        assert app.http.get(f"{own}/jwks/").json()["keys"]
        assert app.http.get(f"{own}/.well-known/openid-configuration").json()["issuer"] == f"{own}/"
    assert server.process is not None
    assert server.process.poll() is None
    postgres.start()
    wait_until(server.ready, what=lambda: server.log()[-2000:])
    assert app.userinfo(server.url, tokens["access_token"]) == 200
    assert app.refresh(server.url, tokens["refresh_token"]).status_code == 200
    assert app.exchange(server.url, app.code()).status_code == 200


# kill -9


@dataclass
class Acknowledged:
    """What clients were told, over all rounds."""

    codes: dict[str, dict[str, Any]] = field(default_factory=dict)  # used code -> its tokens
    tried: set[str] = field(default_factory=set)  # codes that were sent and not answered
    rotated: dict[str, str] = field(default_factory=dict)  # refresh token -> its successor
    sent: set[str] = field(default_factory=set)  # refresh tokens that were sent and not answered
    people: list[Person] = field(default_factory=list)  # whose sign-in was answered


def storm(app: Party, url: str, codes: list[str], known: Acknowledged, stop: threading.Event) -> None:
    """Exchange and rotate until the process is gone."""
    for code in codes:
        if stop.is_set():
            return
        known.tried.add(code)
        try:
            answer = app.exchange(url, code)
        except httpx.HTTPError:
            return
        if answer.status_code != 200:
            continue
        known.codes[code] = answer.json()
        known.tried.discard(code)
        token = answer.json()["refresh_token"]
        for _ in range(3):
            known.sent.add(token)
            try:
                again = app.refresh(url, token)
            except httpx.HTTPError:
                return
            if again.status_code != 200:
                break
            known.rotated[token] = again.json()["refresh_token"]
            known.sent.discard(token)
            token = known.rotated[token]


def sign_in_storm(url: str, known: Acknowledged, stop: threading.Event) -> None:
    while not stop.is_set():
        person = Person(url, "ada", PASSWORD)
        try:
            person.get(f"{url}/if/user/")
        except (httpx.HTTPError, AssertionError):
            return
        known.people.append(person)


@pytest.mark.parametrize("storage", ["sqlite", "postgresql"])
def test_kill_nine_loses_nothing_that_was_acknowledged(
    make_server: Make, request: pytest.FixtureRequest, party: Callable[[Server], Party], storage: str
) -> None:
    postgres: PostgresServer | None = request.getfixturevalue("postgres") if storage == "postgresql" else None
    config = None if postgres is None else postgres.create_database()
    server = prepared(make_server(**({} if config is None else settings(config))))
    app, known = party(server), Acknowledged()
    app.code()
    chance = random.Random(7)  # noqa: S311 - when to kill
    for number in range(ROUNDS):
        codes = [app.code() for _ in range(16)]
        stop = threading.Event()
        workers = [
            threading.Thread(target=storm, args=(app, server.url, codes[one::4], known, stop)) for one in range(4)
        ]
        workers.append(threading.Thread(target=sign_in_storm, args=(server.url, known, stop)))
        for worker in workers:
            worker.start()
        people, deadline = len(known.people), time.monotonic() + 3
        time.sleep(0.1 + 0.4 * chance.random())
        while number % 4 == 0 and len(known.people) == people and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.process is not None
        server.process.kill()
        server.process.wait()
        stop.set()
        for worker in workers:
            worker.join(30)
        if postgres is not None and number % 2:
            postgres.stop(signal.SIGQUIT)  # as if the machine had lost power
            postgres.start()
        server.start()
    assert len(known.codes) > ROUNDS
    check_tokens(app, server.url, known)
    check_sessions(known, server.url)
    for problem, sql in HALVES.items():
        assert count(sql, server, config) == 0, problem


def check_tokens(app: Party, url: str, known: Acknowledged) -> None:
    for tokens in known.codes.values():
        assert app.active(url, tokens["access_token"])
    for tokens in known.codes.values():
        token = tokens["refresh_token"]
        while token in known.rotated:
            token = known.rotated[token]
        if token not in known.sent:  # its own rotation was answered: it is the end of its line
            assert app.refresh(url, token).status_code == 200
    for code in list(known.tried):
        first = app.exchange(url, code).status_code
        assert first in {200, 400}
        assert app.exchange(url, code).status_code == 400
    for code in known.codes:
        assert app.exchange(url, code).status_code == 400


def check_sessions(known: Acknowledged, url: str) -> None:
    assert known.people
    for person in known.people:
        assert person.client.get(f"{url}/api/v3/core/users/me/").json()["user"]["username"] == "ada"


HALVES = {
    "a session that is half signed in": "SELECT COUNT(*) FROM session WHERE (user_pk IS NULL) <> (auth_time IS NULL)",
    "more sessions than sign-ins": "SELECT CASE WHEN (SELECT COUNT(*) FROM session WHERE user_pk IS NOT NULL) > "
    "(SELECT COUNT(*) FROM event WHERE action = 'login') THEN 1 ELSE 0 END",
    "an access token without its family": "SELECT COUNT(*) FROM access_token a WHERE family IS NOT NULL AND NOT EXISTS "
    "(SELECT 1 FROM grant_family f WHERE f.id = a.family)",
    "a refresh token without its family": "SELECT COUNT(*) FROM refresh_token r WHERE NOT EXISTS "
    "(SELECT 1 FROM grant_family f WHERE f.id = r.family)",
}


def count(sql: str, server: Server, config: PostgresConfig | None) -> int:
    if config is None:
        connection = sqlite3.connect(server.folder / "data" / "ostiary.db")
        try:
            return int(connection.execute(sql).fetchone()[0])
        finally:
            connection.close()

    async def ask() -> int:
        opened = await asyncpg.connect(
            host=config.host, port=config.port, user=config.user, database=config.name, password="x"
        )
        try:
            await opened.execute(f"SET search_path TO {config.schema}")
            return int(await opened.fetchval(sql))
        finally:
            await opened.close()

    return apart(ask)


# Two processes


def test_a09_a19_two_processes_on_one_database_hear_one_of_fifty(
    make_server: Make, postgres: PostgresServer, party: Callable[[Server], Party]
) -> None:
    environ = settings(postgres.create_database())
    one = prepared(make_server(**environ))
    other = make_server(folder=one.folder, **environ).start()
    urls = [one.url, other.url] * 25
    app = party(one)
    with ThreadPoolExecutor(50) as pool:
        for _ in range(3):
            code = app.code()
            answers = list(pool.map(lambda url: app.exchange(url, code), urls))  # noqa: B023
            good = [answer.json() for answer in answers if answer.status_code == 200]
            assert len(good) <= 1
            assert {answer.status_code for answer in answers} <= {200, 400}
            for tokens in good:  # forty-nine replays: whatever was given is taken back, at both
                assert not any(app.active(url, tokens["access_token"]) for url in urls[:2])
        for _ in range(3):
            token = app.exchange(one.url, app.code()).json()["refresh_token"]
            answers = list(pool.map(lambda url: app.refresh(url, token), urls))  # noqa: B023
            assert {answer.status_code for answer in answers} <= {200, 400}
            lines = [answer.json()["refresh_token"] for answer in answers if answer.status_code == 200]
            assert len(set(lines)) == 1  # within the grace the same successor comes back, at both
            after = list(pool.map(lambda pair: app.refresh(*pair), zip(urls, lines, strict=False)))
            assert len({answer.json()["refresh_token"] for answer in after if answer.status_code == 200}) == 1


def test_a41_what_ends_at_one_process_has_ended_at_the_other(
    make_server: Make, postgres: PostgresServer, party: Callable[[Server], Party]
) -> None:
    environ = settings(postgres.create_database())
    one = prepared(make_server(**environ))
    other = make_server(folder=one.folder, **environ).start()
    app = party(one)
    app.scope = "openid"
    token = app.exchange(other.url, app.code()).json()["access_token"]
    assert app.userinfo(other.url, token) == 200
    app.person.get(f"{one.url}/flows/-/default/invalidation/")
    assert app.userinfo(other.url, token) == 401
    assert not app.active(other.url, token)
