"""The inner half of the program: database, configuration, directory, and what a first start brings with it.

Commands work with this half alone; a process that listens puts `site` and `background` around it. Read it from top to
bottom: each paragraph builds one room from those before it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ostiary.app.hooks import hooks_of
from ostiary.app.listening.hosts import Hosts
from ostiary.app.new_passwords import require_good_password
from ostiary.app.place import absent, where
from ostiary.app.rooms import ROOMS, kinds_of, migrations_of
from ostiary.blueprints.discovery import Discovery
from ostiary.directory.accounts import Accounts
from ostiary.directory.attempts import Attempts
from ostiary.directory.authenticators.devices import Devices
from ostiary.directory.first_run.bootstrap import Bootstrap, apply_bootstrap
from ostiary.directory.first_run.setup import Setup
from ostiary.directory.install import install_id
from ostiary.directory.passwords.pool import Passwords
from ostiary.directory.rows.backend import backends
from ostiary.directory.tokens import Tokens
from ostiary.directory.users import Users
from ostiary.events.audit import audit_changes
from ostiary.flows.enrolment import authenticators_of
from ostiary.keys.defaults import make_default_pairs
from ostiary.record import dataclass
from ostiary.resource import Registry
from ostiary.room import Room, ServiceRegistry
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.settings import InvalidSetting, Settings
from ostiary.settings.secret_key import make_data_dir, with_secret_key
from ostiary.store.configuration.plane import ConfigPlane
from ostiary.store.database import Unavailable
from ostiary.store.migrations import is_installed, is_sealed, migrate
from ostiary.store.pace import PAUSE
from ostiary.store.workspace.editor import Editor

if TYPE_CHECKING:
    from ostiary.blueprints.report import Report
    from ostiary.store.database import Database

log = logging.getLogger("ostiary.app")


def clock() -> int:
    """Return microseconds since 1970 UTC: the one clock of the program, handed to everybody."""
    return time.time_ns() // 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What is built and open, of these rooms. `services` holds the same for them. `close` ends it."""

    rooms: Sequence[Room]
    services: ServiceRegistry
    settings: Settings
    secret_key: Secret
    database: Database
    registry: Registry
    sealer: Sealer
    plane: ConfigPlane
    editor: Editor
    users: Users
    passwords: Passwords
    tokens: Tokens
    devices: Devices
    attempts: Attempts
    setup: Setup
    accounts: Accounts
    discovery: Discovery
    hosts: Hosts
    environ: Mapping[str, str]

    async def close(self) -> None:
        """Finish what is queued and close the database."""
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
    """Open the database, bring it up to date, and build everything that does not listen.

    `environ` is what !Env in blueprints sees. Where requests are served, nothing waits long for a foreign lock.
    Without `create` there must be an installation: a command in the wrong folder does not make another one.
    Raises SettingsError, StoreError (Unavailable, NewerSchema), SealError.
    """
    database = await open_database(settings, serving=serving, create=create)
    try:
        settings = with_secret_key(settings, sealed=where(settings) if await is_sealed(database) else None)
        await migrate(database, migrations_of(rooms), now=clock())
        environ = dict(os.environ) if environ is None else environ
        core = await build_core(settings, database, environ=environ, serving=serving, rooms=rooms, clock=clock)
        await _first_start(core)
    except BaseException:
        await database.close()
        raise
    return core


async def open_database(settings: Settings, *, serving: bool = False, create: bool = False) -> Database:
    """Open PostgreSQL when it is set, else SQLite in the data folder.

    Raises Unavailable; SettingsError, also when there is no installation and none is to be made.
    """
    if settings.postgresql is None:
        from ostiary.store.sqlite.database import LOCK_TIMEOUT, REQUEST_LOCK_TIMEOUT, open_sqlite  # noqa: PLC0415 - each installation loads one

        # guard: A39 a command in the wrong folder makes no installation
        if not create and not settings.database_file.exists():
            raise InvalidSetting(absent(settings))
        make_data_dir(settings.data_dir)
        return await open_sqlite(settings.database_file, lock_timeout=REQUEST_LOCK_TIMEOUT if serving else LOCK_TIMEOUT)
    from ostiary.store.postgresql.opening import PostgresConfig, open_postgresql  # noqa: PLC0415 - as above

    wanted = settings.postgresql
    database = await open_postgresql(
        PostgresConfig(
            host=wanted.host,
            port=wanted.port,
            name=wanted.name,
            user=wanted.user,
            password=wanted.password,
            sslmode=wanted.sslmode,
            sslrootcert=str(wanted.sslrootcert) if wanted.sslrootcert else None,
            sslcert=str(wanted.sslcert) if wanted.sslcert else None,
            sslkey=str(wanted.sslkey) if wanted.sslkey else None,
        ),
        create=create,
    )
    if not create and not await is_installed(database):
        await database.close()
        raise Unavailable(absent(settings))  # another process may be about to make it
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
    """Build the rooms on an open, migrated database, without what a first start makes. Raises WrongKey, Unavailable."""
    secret_key = settings.secret_key
    assert secret_key is not None  # noqa: S101 - `with_secret_key` just saw to it, or whoever calls this
    sealer = Sealer(secret_key)
    kinds = Registry(kinds_of(rooms))
    plane = ConfigPlane(database=database, registry=kinds, sealer=sealer)
    await plane.load()

    sessions_end, accounts_end = hooks_of(rooms, ServiceRegistry(plane, database=database, clock=clock))
    passwords = Passwords()
    devices = Devices(database, sealer, authenticators_of(kinds_of(rooms)))
    ends, deletes = accounts_end.on_ended, [devices.delete_of_user]
    directory = backends(database, passwords, sealer, on_disabled=ends, on_deleted=deletes)
    editor = Editor(plane, directory, audit_changes, rest=PAUSE if serving else 0.0)
    users = Users(database, install_id=await install_id(database))
    tokens = Tokens(database, sealer)
    setup, folder = Setup(database), settings.blueprints_dir
    discovery = Discovery(database=database, editor=editor, registry=kinds, environ=environ, directory=folder)

    return Core(
        rooms=rooms,
        services=ServiceRegistry(plane, sessions_end, users, tokens, discovery, database=database, clock=clock),
        settings=settings,
        secret_key=secret_key,
        database=database,
        registry=kinds,
        sealer=sealer,
        plane=plane,
        editor=editor,
        users=users,
        passwords=passwords,
        tokens=tokens,
        devices=devices,
        attempts=Attempts(database),
        setup=setup,
        accounts=Accounts(database, users, passwords, on_ended=ends),
        discovery=discovery,
        hosts=await _hosts(plane, settings, setup),
        environ=environ,
    )


async def _hosts(plane: ConfigPlane, settings: Settings, setup: Setup) -> Hosts:
    """Return which hosts are ours. Where any was until now, that ends as soon as one is named."""
    was_open = await setup.hosts_open()
    hosts = Hosts(plane, settings, open_before=was_open)
    if was_open and not hosts.unnamed():
        await setup.close_hosts()
    return hosts


async def _first_start(core: Core) -> None:
    """Make what every installation has. On later starts this is three small queries."""
    clock = core.services.clock
    await make_default_pairs(core.editor, core.plane.snapshot, now=clock())
    report = await core.discovery.apply_shipped(now=clock())
    _tell(report)
    wanted = core.settings.bootstrap
    if wanted.password is not None and not await core.setup.closed():
        require_good_password(core.plane.snapshot, wanted.password, place="OSTIARY_BOOTSTRAP_PASSWORD")
    await apply_bootstrap(
        core.database,
        core.passwords,
        core.sealer,
        settings=Bootstrap(password=wanted.password, token=wanted.token, email=wanted.email),
        now=clock(),
    )


def _tell(report: Report) -> None:
    for item in report.files:
        if item.error is not None:
            log.error("the shipped blueprint %s was not applied: %s", item.path, item.error)
