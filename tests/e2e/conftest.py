"""The fixtures of the end-to-end tests: servers on SQLite and on PostgreSQL, with people and applications."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from support.postgres import PostgresServer

from ostiary.store.postgresql.opening import PostgresConfig

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from live import Make, Server, clients_are_closed, servers  # noqa: E402, F401 - the folder is on the path only now

PASSWORD = "correct horse battery"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def make_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Give a factory of servers that are stopped at the end of the module."""
    with servers(tmp_path_factory) as make:
        yield make


def on_postgresql(config: PostgresConfig) -> dict[str, str]:
    """Return the settings of a server that keeps its data there."""
    return {
        "AUTHENTIK_SECRET_KEY": "a-secret-key-of-the-end-to-end-tests-0123456789",
        "AUTHENTIK_POSTGRESQL__HOST": config.host,
        "AUTHENTIK_POSTGRESQL__PORT": str(config.port),
        "AUTHENTIK_POSTGRESQL__NAME": config.name,
        "AUTHENTIK_POSTGRESQL__USER": config.user,
        "AUTHENTIK_POSTGRESQL__PASSWORD": config.password.reveal(),
        "AUTHENTIK_REDIS__HOST": "authentik-redis",
    }


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def new_storage(request: pytest.FixtureRequest) -> Callable[[], dict[str, str]]:
    """Give the settings of a fresh storage at each call, so that what uses it runs on both."""
    if request.param == "sqlite":
        return dict
    postgres: PostgresServer = request.getfixturevalue("postgres_server")
    return lambda: on_postgresql(postgres.create_database())


@pytest.fixture(scope="module")
def server(make_server: Make, new_storage: Callable[[], dict[str, str]]) -> Server:
    """A server with the parties' blueprint and two people: ada may use Apache, eve may not."""
    server = make_server(**new_storage()).start()
    server.cli("blueprint", "apply", str(HERE / "blueprint.yaml"))
    server.add_user("ada", PASSWORD, "apache-people")
    server.add_user("eve", PASSWORD)
    return server


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = next((p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(p).exists()), None)
    assert path, "needs Chromium: apt-get install chromium"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=[True, False], ids=["script", "no-script"])
def context(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[BrowserContext]:
    made = chromium.new_context(java_script_enabled=request.param, locale="en-GB")
    made.set_default_timeout(15_000)
    yield made
    made.close()
