"""A real process: starts within a second the second time, answers, and ends well at SIGTERM."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.request import urlopen

import pytest
from support.ports import free_port
from support.waiting import wait_until

from ostiary.store.postgresql.opening import PostgresConfig

ROOT = Path(__file__).resolve().parents[2]
OSTIARY = Path(sys.executable).with_name("ostiary")


class Running:
    def __init__(self, folder: Path, command: str = "serve", **environ: str) -> None:
        self.folder, self.port, self.metrics = folder, free_port(), free_port()
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("OSTIARY_", "AUTHENTIK_"))}
        self.environ = {
            **kept,
            "OSTIARY_DATA_DIR": str(folder / "data"),
            "OSTIARY_LISTEN__HTTP": f"127.0.0.1:{self.port}",
            "OSTIARY_LISTEN__METRICS": f"127.0.0.1:{self.metrics}",
            **environ,
        }
        self.log = folder / "log"
        self.process = self.start(command)

    def start(self, command: str) -> subprocess.Popen[bytes]:
        if command == "worker":  # it works for an installation that somebody else has made
            subprocess.run([OSTIARY, "migrate"], env=self.environ, cwd=self.folder, check=True, timeout=60)
        with self.log.open("ab") as log:
            return subprocess.Popen([OSTIARY, command], env=self.environ, stdout=log, stderr=log, cwd=self.folder)

    def get(self, path: str, *, port: int | None = None) -> int | None:
        connection = HTTPConnection("127.0.0.1", port or self.port, timeout=20)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return None
        finally:
            connection.close()

    def wait_until_ready(self) -> None:
        wait_until(
            lambda: self.get("/-/health/ready/") == 200, what=self.log.read_text, process=self.process, pause=0.01
        )

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.process.wait()


def test_a_life_from_start_to_end(running: Running) -> None:
    running.wait_until_ready()
    assert running.get("/-/health/live/") == 200
    assert running.get("/metrics", port=running.metrics) == 200
    assert (running.folder / "data" / "setup-link").stat().st_mode & 0o777 == 0o600
    assert "token=" not in running.log.read_text()

    running.process.send_signal(signal.SIGTERM)
    answers = []

    def over() -> bool:
        answers.append(running.get("/-/health/ready/"))
        return running.process.poll() is not None

    wait_until(over, what="it does not end")
    assert running.process.returncode == 0
    assert 503 in answers, "ready fails while the door is still open"
    assert 200 not in answers[answers.index(503) :], "and stays so"

    running.process = running.start("serve")
    running.wait_until_ready()
    assert running.stop(signal.SIGINT) == 0


def test_it_ends_at_once_while_it_starts(running: Running) -> None:
    assert running.stop() in {0, -signal.SIGTERM}


def test_an_address_that_is_taken_is_told_in_one_line(running: Running) -> None:
    running.wait_until_ready()
    other = subprocess.run([OSTIARY, "serve"], env=running.environ, capture_output=True, text=True, timeout=90)
    assert other.returncode == 1
    assert "OSTIARY_LISTEN__" in other.stderr.splitlines()[-1]
    assert "cannot listen on 127.0.0.1" in other.stderr.splitlines()[-1]
    assert "Traceback" not in other.stderr
    assert running.stop() == 0


def test_a_worker_has_no_door(tmp_path: Path) -> None:
    worker = Running(tmp_path, "worker")
    wait_until(
        lambda: worker.get("/metrics", port=worker.metrics) == 200, what=worker.log.read_text, process=worker.process
    )
    assert worker.get("/-/health/live/") is None
    assert worker.stop() == 0


def test_a_worker_tells_its_health_where_its_metrics_are(tmp_path: Path) -> None:
    worker = Running(tmp_path, "worker")
    wait_until(
        lambda: worker.get("/-/health/ready/", port=worker.metrics) == 200,
        what=worker.log.read_text,
        process=worker.process,
    )
    assert worker.get("/-/health/live/", port=worker.metrics) == 200
    asked = subprocess.run([OSTIARY, "healthcheck"], env=worker.environ, capture_output=True, text=True, timeout=90)
    assert (asked.returncode, asked.stdout) == (0, "ready\n")
    assert worker.stop() == 0
    asked = subprocess.run([OSTIARY, "healthcheck"], env=worker.environ, capture_output=True, text=True, timeout=90)
    assert asked.returncode == 1
    assert f"127.0.0.1:{worker.metrics}" in asked.stdout


BLUEPRINT = """\
version: 1
metadata: {name: start}
entries:
  - model: authentik_providers_oauth2.oauth2provider
    id: provider
    identifiers: {name: start}
    attrs:
      authorization_flow: !Find [authentik_flows.flow, [slug, default-provider-authorization-implicit-consent]]
      invalidation_flow: !Find [authentik_flows.flow, [slug, default-provider-invalidation-flow]]
      signing_key: !Find [authentik_crypto.certificatekeypair, [name, authentik Self-signed Certificate]]
      redirect_uris: [{matching_mode: strict, url: "https://app.example.org/"}]
  - model: authentik_core.application
    identifiers: {slug: start}
    attrs: {name: start, provider: !KeyOf provider}
"""

# What a start and a first answer do without, and what each would cost: X.509 a tenth of the whole, typer and rich more.
# Of the sandbox they need nothing: the shipped expressions have native meanings.
UNWANTED = (
    "OpenSSL",
    "asyncpg",
    "cbor2",
    "click",
    "cryptography.x509",
    "difflib",
    "email",
    "http.client",
    "importlib.metadata",
    "jinja2",
    "joserfc",
    "multiprocessing",
    "ostiary.keys.certificate",
    "ostiary.sandbox.evaluation.runner",
    "ostiary.sandbox.language",
    "ostiary.sandbox.workers",
    "polib",
    "prometheus_client",
    "pydantic",
    "pydantic_monty",
    "rich",
    "segno",
    "symtable",
    "tempfile",
    "typer",
    "unittest",
    "urllib.request",
    "uvicorn",
    "webauthn",
    "yaml",
    "zoneinfo",
)
MAX_MODULES = 840  # ours are about 580 of them: each folder is one as well


def test_a_start_and_a_first_answer_load_nothing_they_do_not_need(running: Running) -> None:
    running.wait_until_ready()
    file = running.folder / "start.yaml"
    file.write_text(BLUEPRINT)
    subprocess.run([OSTIARY, "blueprint", "apply", file], env=running.environ, check=True, timeout=60)
    assert running.stop() == 0

    running.log.write_text("")
    running.environ["PYTHONPROFILEIMPORTTIME"] = "1"
    running.process = running.start("serve")
    running.wait_until_ready()
    assert running.get("/application/o/start/.well-known/openid-configuration") == 200
    assert running.get("/application/o/start/jwks/") == 200
    assert children(running.process.pid) == []
    loaded = [line.rpartition("|")[2].strip() for line in running.log.read_text().splitlines() if "import time" in line]
    assert [name for name in loaded if any(f"{name}.".startswith(f"{one}.") for one in UNWANTED)] == []
    assert "ostiary.app.site" in loaded
    assert len(loaded) < MAX_MODULES
    assert running.stop() == 0


def children(process: int) -> list[str]:
    return [one for path in Path(f"/proc/{process}/task").glob("*/children") for one in path.read_text().split()]


@pytest.mark.parametrize("storage", ["sqlite", "postgresql"])
def test_the_page_of_metrics_shows_what_the_documentation_names(
    tmp_path: Path, storage: str, request: pytest.FixtureRequest
) -> None:
    config = request.getfixturevalue("postgres_config") if storage == "postgresql" else None
    folder = tmp_path / "blueprints"
    folder.mkdir()
    running = Running(
        tmp_path,
        OSTIARY_BLUEPRINTS_DIR=str(folder),
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",  # nobody listens there; the metrics about traces are shown
        **({} if config is None else postgres_environment(config)),
    )
    try:
        running.wait_until_ready()
        with urlopen(f"http://127.0.0.1:{running.metrics}/metrics", timeout=20) as answer:
            page = answer.read().decode()
        shown = set(re.findall(r"^# TYPE (ostiary_\w+) ", page, re.MULTILINE))
        shown -= {name for name in shown if name.endswith("_created")}
        table = (ROOT / "docs/metrics.md").read_text()
        named = set(re.findall(r"^\| `(ostiary_\w+)`", table, re.MULTILINE))
        assert shown == named
        assert re.search(r'^ostiary_background_alive\{work="queue"\} 1.0$', page, re.MULTILINE)
        assert re.search(r'^ostiary_certificate_end_timestamp_seconds\{name=".+"\} \d', page, re.MULTILINE)
        numbers = dict(re.findall(r"^(ostiary_\w*config_revision) (.+)$", page, re.MULTILINE))
        assert numbers["ostiary_config_revision"] == numbers["ostiary_database_config_revision"]
        latency = re.search(r"^ostiary_database_latency_seconds (.+)$", page, re.MULTILINE)
        assert latency is not None
        assert 0 < float(latency[1]) < 10
        assert re.search(r'^ostiary_database_seconds_count\{operation="write"\} [1-9]', page, re.MULTILINE)
        assert 'ostiary_database_errors_total{reason="database_full"} 0.0' in page
        assert bool(re.search(r"^ostiary_database_connections\{", page, re.MULTILINE)) == (config is not None)
        assert running.stop() == 0
    finally:
        running.process.kill()
        running.process.wait()


def postgres_environment(config: PostgresConfig) -> dict[str, str]:
    return {
        "OSTIARY_SECRET_KEY": "k" * 50,
        "OSTIARY_POSTGRESQL__HOST": config.host,
        "OSTIARY_POSTGRESQL__PORT": str(config.port),
        "OSTIARY_POSTGRESQL__NAME": config.name,
        "OSTIARY_POSTGRESQL__USER": config.user,
        "OSTIARY_POSTGRESQL__PASSWORD": config.password.reveal(),
    }


def test_the_how_to_names_metrics_that_there_are() -> None:
    table = (ROOT / "docs/metrics.md").read_text()
    named = set(re.findall(r"^\| `(ostiary_\w+)`", table, re.MULTILINE))
    named |= {f"{name}_{part}" for name in named for part in ("sum", "count", "bucket")}  # of histograms
    for page in (ROOT / "docs/how-to").glob("*.md"):
        assert set(re.findall(r"`(ostiary_[a-z_]+)", page.read_text())) <= named, page.name
