"""The program as `serve` builds it, without a socket: on the database, the clock and the configuration of a test.

It is built by the composition root (`app.core.build_core`, `app.site.build_site`), so that its rooms, hooks and answers
are those of a running process. What a first start makes is left out: the test says what is configured.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

from ostiary.app.core import Core, build_core
from ostiary.app.metrics import Metrics
from ostiary.app.rooms import registry
from ostiary.app.site import Built, build_site
from ostiary.resource import Pk, Resource
from ostiary.sandbox.evaluation.evaluator import Evaluator
from ostiary.settings import Settings, load
from ostiary.store.configuration.plane import ConfigPlane, Opening
from ostiary.store.configuration.snapshot import Snapshot
from ostiary.store.database import Database
from ostiary.web.asgi import Site
from ostiary.web.response import Response

T = TypeVar("T")

HOST = "id.example.org"
SECRET_KEY = "k" * 50
REGISTRY = registry()
"""All kinds, for snapshots that are made before a program is built."""

_numbers = count(1_000_000)  # of revisions that no database has


@dataclass
class Clock:
    """A clock that stands until it is moved. Microseconds since 1970 UTC."""

    now: int

    def __call__(self) -> int:
        return self.now


@dataclass(repr=False)
class Program:
    """The rooms of one process and what they answer."""

    core: Core
    built: Built
    clock: Clock = field(default_factory=lambda: Clock(0))

    @property
    def snapshot(self) -> Snapshot:
        return self.core.plane.snapshot

    def service(self, kind: type[T]) -> T:
        """The one object of a class that the rooms were given."""
        return self.built.services[kind]

    def change(self, *objects: Resource) -> None:
        """Add objects to the configuration, or replace them, as if another process had committed them."""
        self.configure(self.snapshot.changed(number=next(_numbers), put=objects, drop=()))

    def drop(self, kind: str, pk: Pk) -> None:
        self.configure(self.snapshot.changed(number=next(_numbers), put=(), drop=[(kind, pk)]))

    def configure(self, snapshot: Snapshot) -> None:
        """Let this be the configuration. It is not validated and not stored: a rig's keys are names, easy to read."""
        plane: ConfigPlane = self.core.plane
        plane._opening = Opening(snapshot, plane._opening.head)

    async def call(self, method: str, url: str, **request: Any) -> Response:
        """Send a request through the site: limits, proxies, hosts, errors and all. See `ask`."""
        return await ask(self.built.site, method, url, **request)

    async def close(self) -> None:
        """End what the rooms began; the database is the test's."""
        await self.core.services[Evaluator].close()
        self.core.passwords.close()


async def open_program(
    database: Database, clock: Clock, *, snapshot: Snapshot | None = None, **environ: str
) -> Program:
    """Build the program on a database with all migrations. `environ` are settings, as in the environment.

    Without `snapshot` its configuration is what the database has. Only what listens traces:
    with settings of OpenTelemetry it is built as one that does.
    """
    settings = _settings(tuple(environ.items()))
    core = await build_core(
        settings, database, environ={}, clock=clock, serving=any(name.startswith("OTEL_") for name in environ)
    )
    program = Program(core, build_site(core, Metrics(version="test")), clock)
    if snapshot is not None:
        program.configure(snapshot.changed(number=next(_numbers), put=(), drop=()))  # what it memoizes is its own
    return program


@dataclass(repr=False)
class Driven:
    """What tests put around a program: its clock stands until it is moved."""

    program: Program

    @property
    def now(self) -> int:
        return self.program.clock.now

    @now.setter
    def now(self, now: int) -> None:
        self.program.clock.now = now


@functools.cache
def _settings(environ: tuple[tuple[str, str], ...]) -> Settings:
    usual = {"OSTIARY_DATA_DIR": "/nowhere", "OSTIARY_SECRET_KEY": SECRET_KEY, "OSTIARY_HOSTS": HOST}
    return load({**usual, **dict(environ)}, default_file=None)


async def ask(
    site: Callable[..., Awaitable[None]] | Site,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    scheme: str = "https",
    host: str = HOST,
    client: str = "192.0.2.7",
) -> Response:
    """Send a request to an ASGI application, and return its answer. `url` is a path with its query."""
    path, _, query = url.partition("?")
    sent = {"host": host, **(headers or {})}
    if body:
        sent["content-length"] = str(len(body))
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "scheme": scheme,
        "client": (client, 4711),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in sent.items()],
    }
    answer = Response(0)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = [(name.decode(), value.decode("latin-1")) for name, value in message["headers"]]
        else:
            answer.body += message.get("body", b"")

    await site(scope, receive, send)
    return answer


def take_cookies(jar: dict[str, str], response: Response) -> None:
    """Keep the cookies of an answer as a browser does: by name, the last one counts, and one without age goes."""
    for header, value in response.headers:
        if header == "set-cookie":
            name, _, rest = value.partition("=")
            jar[name] = rest.partition(";")[0]
            if "; Max-Age=0" in rest:
                del jar[name]
