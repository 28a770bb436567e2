"""The inner half of the program: database, configuration, directory, and the first start.

Commands work with this half alone; a process that listens puts `site` and `background` around it. This module
reads what must be known before anything else can be built. Every other service comes from a room (`ostiary.room.Room`)
and is built at its first use.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ostiary.app.listening.hosts import Hosts
from ostiary.app.location import location, missing_installation
from ostiary.app.new_passwords import require_good_password
from ostiary.app.rooms import ROOMS, kinds_of, migrations_of, services_of, sweepers_of
from ostiary.blueprints.discovery import Discovery
from ostiary.directory.accounts import Accounts
from ostiary.directory.attempts import Attempts
from ostiary.directory.authenticators.devices import Devices
from ostiary.directory.first_run.bootstrap import Bootstrap, apply_bootstrap
from ostiary.directory.first_run.setup import Setup
from ostiary.directory.install import Installation, install_id
from ostiary.directory.passwords.pool import Passwords
from ostiary.directory.tokens import Tokens
from ostiary.directory.users import Users
from ostiary.events.audit import audit_changes
from ostiary.keys.defaults import make_default_pairs
from ostiary.record import dataclass
from ostiary.resource import Registry
from ostiary.room import Room, Service, ServiceRegistry
from ostiary.sandbox.evaluation.evaluator import Evaluator
from ostiary.seal.derivation import DerivedKeys
from ostiary.seal.envelope import Sealer
from ostiary.settings import InvalidSetting, Settings
from ostiary.settings.environment import Environment
from ostiary.settings.secret_key import make_data_dir, with_secret_key
from ostiary.store.configuration.plane import ConfigPlane
from ostiary.store.database import Unavailable
from ostiary.store.migrations import is_installed, is_sealed, migrate
from ostiary.store.pace import PAUSE
from ostiary.store.timeouts import BACKGROUND_TIMEOUT, extended_timeout
from ostiary.store.workspace.editor import Editor
from ostiary.tasks.cleanup import Sweepers

if TYPE_CHECKING:
    from ostiary.blueprints.report import Report
    from ostiary.store.database import Database
    from ostiary.tracing.tracer import Tracer

log = logging.getLogger("ostiary.app")


def clock() -> int:
    """Return microseconds since 1970 UTC: the clock of the program, passed to every service."""
    return time.time_ns() // 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """The core of every process: settings, database, and the services of the rooms. `close` ends it.

    The properties are services that commands ask for by name.
    """

    rooms: Sequence[Room]
    services: ServiceRegistry
    settings: Settings
    database: Database
    tracer: Tracer | None = None
    """Where the operator wants traces."""

    @property
    def registry(self) -> Registry:
        """Every kind of object."""
        return self.services[Registry]

    @property
    def plane(self) -> ConfigPlane:
        """The configuration."""
        return self.services[ConfigPlane]

    @property
    def editor(self) -> Editor:
        """The way to save objects."""
        return self.services[Editor]

    @property
    def users(self) -> Users:
        """The users."""
        return self.services[Users]

    @property
    def passwords(self) -> Passwords:
        """The hashing of passwords."""
        return self.services[Passwords]

    @property
    def tokens(self) -> Tokens:
        """The tokens of users."""
        return self.services[Tokens]

    @property
    def devices(self) -> Devices:
        """The authenticators of users."""
        return self.services[Devices]

    @property
    def attempts(self) -> Attempts:
        """The throttle of sign-ins."""
        return self.services[Attempts]

    @property
    def setup(self) -> Setup:
        """The state of the first-run set-up."""
        return self.services[Setup]

    @property
    def accounts(self) -> Accounts:
        """The verbs of commands about accounts."""
        return self.services[Accounts]

    @property
    def discovery(self) -> Discovery:
        """The discovery of blueprints."""
        return self.services[Discovery]

    @property
    def hosts(self) -> Hosts:
        """Our own addresses."""
        return self.services[Hosts]

    async def close(self) -> None:
        """Finish what is queued, close the database, and end the workers of expressions."""
        await self.services[Evaluator].close()
        await self.database.close()
        await asyncio.to_thread(self.passwords.close)


async def open_core(
    settings: Settings,
    *,
    environ: Mapping[str, str] | None = None,
    serving: bool = False,
    create: bool = False,
    rooms: Sequence[Room] = ROOMS,
    clock: Callable[[], int] = clock,
) -> Core:
    """Open the database, migrate it, and build everything that does not listen.

    `environ` is what !Env in blueprints sees. Where requests are served, waits for another process's lock
    are short.
    Without `create` there must be an installation: a command in the wrong folder does not make another one.
    Raises SettingsError, StoreError (Unavailable, NewerSchema), SealError.
    """
    database = await open_database(settings, serving=serving, create=create)
    try:
        settings = with_secret_key(settings, sealed=location(settings) if await is_sealed(database) else None)
        await migrate(database, migrations_of(rooms), now=clock())
        environ = dict(os.environ) if environ is None else environ
        core = await build_core(settings, database, environ=environ, serving=serving, rooms=rooms, clock=clock)
        with extended_timeout(BACKGROUND_TIMEOUT):  # nobody waits for a page: on a busy machine it may take longer
            await _first_start(core)
    except BaseException:
        await database.close()
        raise
    return core


async def open_database(settings: Settings, *, serving: bool = False, create: bool = False) -> Database:
    """Open PostgreSQL when it is set, else SQLite in the data folder.

    Raises Unavailable; SettingsError, also when there is no installation and none may be created.
    """
    if settings.postgresql is None:
        from ostiary.store.sqlite.database import LOCK_TIMEOUT, REQUEST_LOCK_TIMEOUT, open_sqlite  # noqa: PLC0415 - each installation loads one

        # guard: A39 a command in the wrong folder creates no installation
        if not create and not settings.database_file.exists():
            raise InvalidSetting(missing_installation(settings))
        make_data_dir(settings.data_dir)
        return await open_sqlite(settings.database_file, lock_timeout=REQUEST_LOCK_TIMEOUT if serving else LOCK_TIMEOUT)
    from ostiary.store.postgresql.opening import PostgresConfig, open_postgresql  # noqa: PLC0415 - as above

    postgresql = settings.postgresql
    database = await open_postgresql(
        PostgresConfig(
            host=postgresql.host,
            port=postgresql.port,
            name=postgresql.name,
            user=postgresql.user,
            password=postgresql.password,
            sslmode=postgresql.sslmode,
            sslrootcert=str(postgresql.sslrootcert) if postgresql.sslrootcert else None,
            sslcert=str(postgresql.sslcert) if postgresql.sslcert else None,
            sslkey=str(postgresql.sslkey) if postgresql.sslkey else None,
        ),
        create=create,
    )
    if not create and not await is_installed(database):
        await database.close()
        raise Unavailable(missing_installation(settings))  # another process may be about to make it
    return database


async def build_core(
    settings: Settings,
    database: Database,
    *,
    environ: Mapping[str, str],
    serving: bool = False,
    rooms: Sequence[Room] = ROOMS,
    clock: Callable[[], int] = clock,
) -> Core:
    """Build the services on an open, migrated database, without the first start. Raises WrongKey, Unavailable."""
    secret_key = settings.secret_key
    assert secret_key is not None  # noqa: S101 - `with_secret_key` just saw to it, or whoever calls this
    tracer = None
    if serving and settings.tracing.address is not None:
        tracer, database, rooms = _traced(settings, database, rooms)
    sealer, kinds = Sealer(secret_key), Registry(kinds_of(rooms))
    plane = ConfigPlane(database=database, registry=kinds, sealer=sealer)
    await plane.load()
    services = ServiceRegistry(
        settings,
        Environment(environ),
        sealer,
        DerivedKeys(secret_key),
        kinds,
        plane,
        Installation(await install_id(database)),
        Sweepers(sweepers_of(rooms)),
        *(() if tracer is None else (tracer,)),
        database=database,
        clock=clock,
        offered=[
            Service(Editor, partial(_editor, rooms, rest=PAUSE if serving else 0.0)),
            *(one for one in services_of(rooms) if not one.site),
        ],
    )
    hosts = await _hosts(services)
    return Core(rooms=rooms, services=services.extended(hosts), settings=settings, database=database, tracer=tracer)


def _traced(settings: Settings, database: Database, rooms: Sequence[Room]) -> tuple[Tracer, Database, Sequence[Room]]:
    """Return the tracer, the database whose calls it shows, and the rooms with its own."""
    from ostiary.tracing.database import TracedDatabase  # noqa: PLC0415 - most installations trace nothing
    from ostiary.tracing.room import ROOM as TRACING  # noqa: PLC0415 - as above
    from ostiary.tracing.tracer import Tracer  # noqa: PLC0415 - as above

    return Tracer(settings.tracing), TracedDatabase(database), (*rooms, TRACING)


def _editor(rooms: Sequence[Room], services: ServiceRegistry, *, rest: float) -> Editor:
    """Return the editor over the configuration and the tables of rooms."""
    backends = {name: one for room in rooms for name, one in room.backends(services).items()}
    return Editor(services[ConfigPlane], backends, audit_changes, rest=rest)


async def _hosts(services: ServiceRegistry) -> Hosts:
    """Return our hosts. An old installation that accepts any host stops doing so when the first is set."""
    setup = services[Setup]
    was_open = await setup.hosts_open()
    hosts = Hosts(services[ConfigPlane], services[Settings], open_before=was_open)
    if was_open and not hosts.unnamed():
        await setup.close_hosts()
    return hosts


async def _first_start(core: Core) -> None:
    """Create the objects of every installation. On later starts this is three small queries."""
    clock = core.services.clock
    await make_default_pairs(core.editor, core.plane.snapshot, now=clock())
    report = await core.discovery.apply_shipped(now=clock())
    _log_report(report)
    bootstrap = core.settings.bootstrap
    if bootstrap.password is not None and not await core.setup.closed():
        require_good_password(core.plane.snapshot, bootstrap.password, place="OSTIARY_BOOTSTRAP_PASSWORD")
    await apply_bootstrap(
        core.database,
        core.passwords,
        core.services[Sealer],
        settings=Bootstrap(password=bootstrap.password, token=bootstrap.token, email=bootstrap.email),
        now=clock(),
    )


def _log_report(report: Report) -> None:
    for item in report.files:
        if item.error is not None:
            log.error("the shipped blueprint %s was not applied: %s", item.path, item.error)
