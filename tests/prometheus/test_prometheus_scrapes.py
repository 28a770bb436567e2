"""A real Prometheus scrapes a running Ostiary: every query of the dashboard and every series of the alerts has data."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import httpx2 as httpx
import pytest
from live import OPEN, Person, Server
from prometheus_rules import RULES, program, queries, rules, selectors
from support.ports import free_port
from support.postgres import PostgresServer
from support.waiting import wait_until

pytestmark = pytest.mark.timeout(400)

BLUEPRINT = Path(__file__).parents[1] / "e2e" / "blueprint.yaml"
PASSWORD = "correct horse battery"
MEMORY = 2**40  # bytes: a limit that there is, and nobody reaches


class Prometheus:
    """A server of its own, which asks each second."""

    def __init__(self, folder: Path, target: int) -> None:
        self.port = free_port()
        config = folder / "prometheus.yml"
        config.write_text(
            json.dumps(
                {
                    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                    "rule_files": [str(RULES)],
                    "scrape_configs": [
                        {"job_name": "ostiary", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
                    ],
                }
            )
        )
        self.log = folder / "prometheus.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    program("prometheus"),
                    f"--config.file={config}",
                    f"--storage.tsdb.path={folder / 'prometheus'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: self.ask("/-/ready"), what=self.log.read_text, process=self.process)

    def ask(self, path: str) -> bytes:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            told: bytes = answer.read()
        return told

    def has_data(self, expression: str) -> bool:
        told = json.loads(self.ask(f"/api/v1/query?{urlencode({'query': expression})}"))
        assert told["status"] == "success", told
        return bool(told["data"]["result"])

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


@pytest.fixture
def server(tmp_path: Path, postgres_server: PostgresServer) -> Iterator[Server]:
    """A server on PostgreSQL, with one application and one person."""
    config = postgres_server.create_database()
    made = Server(
        tmp_path,
        {
            "OSTIARY_SECRET_KEY": "a-secret-key-of-the-tests-of-metrics-0123456789",
            "OSTIARY_POSTGRESQL__HOST": config.host,
            "OSTIARY_POSTGRESQL__PORT": str(config.port),
            "OSTIARY_POSTGRESQL__NAME": config.name,
            "OSTIARY_POSTGRESQL__USER": config.user,
            "OSTIARY_POSTGRESQL__PASSWORD": config.password.reveal(),
        },
    )
    made.start()
    assert made.process is not None
    resource.prlimit(made.process.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
    made.cli("blueprint", "apply", str(BLUEPRINT))
    made.add_user("ada", PASSWORD)
    yield made
    while OPEN:
        OPEN.pop().close()
    made.stop()


def everything_that_is_counted(server: Server) -> None:
    """Sign in, fail to, ask for tokens with and without success, be refused and throttled."""
    person = Person(server.url, "ada", PASSWORD)
    person.get(f"{server.url}/if/user/")
    with httpx.Client(base_url=server.url, timeout=60, follow_redirects=True) as client:
        assert client.get("/application/o/authorize/?client_id=nobody").status_code >= 400
        answer = client.post("/application/o/token/", data={"grant_type": "authorization_code"}, auth=("authlib", "no"))
        assert answer.status_code == 401
        flow = "/api/v3/flows/executor/default-authentication-flow/?query="
        statuses: list[int] = []
        while 429 not in statuses and len(statuses) < 20:
            client.get(flow)
            client.post(flow, json={"component": "ak-stage-identification", "uid_field": "ada"})
            answer = client.post(flow, json={"component": "ak-stage-password", "password": "guess"})
            statuses.append(answer.status_code)
        assert 429 in statuses


def one_server_error(server: Server, postgres: PostgresServer) -> None:
    name, role = server.environ["OSTIARY_POSTGRESQL__NAME"], server.environ["OSTIARY_POSTGRESQL__USER"]
    postgres.admin(f"REVOKE ALL ON ostiary.session FROM {role}", database=name)
    flow = "/api/v3/flows/executor/default-authentication-flow/?query="
    assert httpx.get(f"{server.url}{flow}", timeout=60).status_code == 503
    postgres.admin(f"GRANT ALL ON ostiary.session TO {role}", database=name)


def test_every_query_has_data(server: Server, tmp_path: Path, postgres_server: PostgresServer) -> None:
    everything_that_is_counted(server)
    one_server_error(server, postgres_server)
    prometheus = Prometheus(tmp_path, server.metrics)
    try:
        wanted = {**queries(), **{f"alert {one}": one for rule in rules() for one in selectors(rule["expr"])}}
        empty = dict(wanted)

        def full() -> bool:
            assert server.ready()  # somebody asks all the time
            for name, expression in list(empty.items()):
                if prometheus.has_data(expression):
                    del empty[name]
            return not empty

        wait_until(full, what=lambda: f"no data: {empty}", process=prometheus.process, pause=1.0)
        loaded = json.loads(prometheus.ask("/api/v1/rules"))["data"]["groups"][0]["rules"]
        assert {rule["name"]: rule["health"] for rule in loaded} == {rule["alert"]: "ok" for rule in rules()}
    finally:
        prometheus.stop()
