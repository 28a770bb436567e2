"""A private PostgreSQL server for the tests: its own data folder, its own port, gone when the tests end.

Its default collation is a linguistic one and the role of the tests is no superuser, so that what only works with
binary order or with special rights fails here.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO, Any, TypeVar

import asyncpg
from support.memory import fast_folder
from support.ports import free_port
from support.waiting import wait_until

from ostiary.seal import Secret
from ostiary.store.postgresql.opening import PostgresConfig

T = TypeVar("T")

ROLE = "ostiary_test"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "jit": "off",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "log_min_messages": "fatal",
}

REPLICATES = {"wal_level": "replica", "max_wal_senders": "4", "hot_standby": "on"}
"""Settings of a server that another one may follow."""


class NoPostgres(Exception):
    """There is no PostgreSQL on this machine."""


def programs() -> Path:
    """Return the folder of initdb and postgres, the newest version first."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("initdb")
    if on_path:
        found.insert(0, Path(on_path).resolve())
    if not found:
        raise NoPostgres("the tests need a PostgreSQL server (initdb is missing): apt-get install postgresql")
    return found[-1].parent


@dataclass
class PostgresServer:
    """A running server. Made by `start`."""

    folder: Path
    port: int
    fsync: bool = False
    process: subprocess.Popen[bytes] | None = None
    numbers: Any = field(default_factory=count)

    def start(self, **more: str) -> None:
        """Start the server on its data folder, with more settings if any, and wait until it answers."""
        settings = {
            **_SETTINGS,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "fsync": "on" if self.fsync else "off",
        }
        if self.fsync:
            settings |= {"synchronous_commit": "on", "full_page_writes": "on"}
        settings |= more
        command = [str(programs() / "postgres"), "-D", str(self.folder / "data")]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        # With pdeathsig the server ends even when the tests are killed.
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "INT", *command], **_as_somebody(), **_quiet(log)
            )
        self._wait()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT politely, SIGQUIT as a crash would."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(90)
            self.process = None

    def remove(self) -> None:
        """Stop the server and delete its data."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def standby(self) -> PostgresServer:
        """Return a running copy that follows this server, which must have been started with `REPLICATES`."""
        folder = Path(tempfile.mkdtemp(prefix="ostiary-pg-", dir="/tmp"))
        identity = _as_somebody()
        if identity:
            os.chown(folder, identity["user"], identity["group"])
        command = [str(programs() / "pg_basebackup"), "-h", str(self.folder), "-p", str(self.port), "-U", "admin"]
        command += ["-D", str(folder / "data"), "-R", "-X", "stream", "--checkpoint=fast", "--no-sync"]
        with (folder / "log").open("ab") as log:
            subprocess.run(command, check=True, **identity, **_quiet(log))
        copy = PostgresServer(folder, free_port())
        copy.start(**REPLICATES)
        return copy

    def promote(self) -> None:
        """Make a standby the primary."""
        self.admin("SELECT pg_promote()")

    def config(self, name: str, **changes: Any) -> PostgresConfig:
        """Return how to reach a database."""
        values = {"host": "127.0.0.1", "port": self.port, "name": name, "user": ROLE, "password": Secret("unused")}
        return PostgresConfig(**{**values, **changes})

    def create_database(self, template: str | None = None) -> PostgresConfig:
        """Make a new database, empty or as a copy, and return how to reach it."""
        name = f"t{next(self.numbers)}"
        copy = f"TEMPLATE {template}" if template else ""
        self.admin(f"CREATE DATABASE {name} OWNER {ROLE} {copy}")
        return self.config(name)

    def drop_database(self, config: PostgresConfig) -> None:
        """Remove a database, and whoever is still connected to it."""
        self.admin(f"DROP DATABASE IF EXISTS {config.name} WITH (FORCE)")

    def schemas(self, config: PostgresConfig) -> set[str]:
        """Return the names of the schemas of a database."""

        async def work() -> set[str]:
            connection = await self._connect(config.name)
            try:
                rows = await connection.fetch("SELECT nspname FROM pg_catalog.pg_namespace")
                return {row["nspname"] for row in rows}
            finally:
                await connection.close()

        return apart(work)

    def admin(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as the superuser."""

        async def work() -> None:
            connection = await self._connect(database)
            try:
                for statement in statements:
                    await connection.execute(statement)
            finally:
                await connection.close()

        apart(work)

    async def _connect(self, database: str) -> Any:
        return await asyncpg.connect(
            host=str(self.folder), port=self.port, user="admin", database=database, password="unused"
        )

    def _wait(self) -> None:
        ask = [str(programs() / "pg_isready"), "-q", "-h", str(self.folder), "-p", str(self.port)]
        try:
            wait_until(lambda: subprocess.run(ask).returncode == 0, process=self.process, pause=0.02)
        except AssertionError as error:
            log = (self.folder / "log").read_text(errors="replace")
            raise NoPostgres(f"PostgreSQL does not start:\n{log}") from error


def make_server(*, fsync: bool = False) -> PostgresServer:
    """Make a data folder and start a server on it."""
    folder = Path(tempfile.mkdtemp(prefix="ostiary-pg-", dir="/tmp")) if fsync else fast_folder("ostiary-pg-")
    identity = _as_somebody()
    if identity:
        os.chown(folder, identity["user"], identity["group"])
    initdb = [
        str(programs() / "initdb"),
        "-D",
        str(folder / "data"),
        "-U",
        "admin",
        "-A",
        "trust",
        "--no-sync",
        "-E",
        "UTF8",
    ]
    locale = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en"]
    with (folder / "log").open("ab") as log:
        subprocess.run([*initdb, *locale], check=True, **identity, **_quiet(log))
    server = PostgresServer(folder, free_port(), fsync=fsync)
    server.start()
    server.admin(f"CREATE ROLE {ROLE} LOGIN PASSWORD 'unused'")
    return server


def apart(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end in a thread of its own, whether or not a loop runs here."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(asyncio.run(work()))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _as_somebody() -> dict[str, Any]:
    # PostgreSQL refuses to run as root.
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise NoPostgres("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


def _quiet(log: IO[bytes]) -> dict[str, Any]:
    return {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT, "cwd": "/"}
