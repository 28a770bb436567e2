"""The registration of this room with the application."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from ostiary.directory import attempts, resources, tables, tokens
from ostiary.directory.accounts import Accounts
from ostiary.directory.attempts import Attempts
from ostiary.directory.authenticators.devices import Devices
from ostiary.directory.first_run.setup import Setup
from ostiary.directory.install import Installation
from ostiary.directory.passwords.pool import Passwords
from ostiary.directory.rows.backend import AccountHooks, backends
from ostiary.directory.rows.found import Finder
from ostiary.directory.tokens import Tokens
from ostiary.directory.users import Users
from ostiary.room import MINUTE, Job, Measure, Room, Service
from ostiary.seal.envelope import Sealer

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry
    from ostiary.store.workspace.changes import Backend


def object_backends(services: ServiceRegistry) -> dict[str, Backend]:
    """Return the backend of users, groups, roles and tokens."""
    directory = backends(
        services.database,
        services[Passwords],
        services[Sealer],
        on_disabled=services[AccountHooks].on_ended,
        on_deleted=[services[Devices].delete_of_user],
    )
    return {**directory}


def accounts(services: ServiceRegistry) -> Accounts:
    """Return the service of the account commands."""
    hooks = services[AccountHooks]
    return Accounts(services.database, services[Users], services[Passwords], on_ended=hooks.on_ended)


def jobs(services: ServiceRegistry) -> tuple[Job]:
    """Return the job for the rotation of expired API tokens."""
    token_service = services[Tokens]

    async def rotate(args: Mapping[str, object], *, now: int) -> None:
        del args
        await token_service.rotate_expired(now)

    summary = "Rotates the key of each expired API token and extends it by a day, as authentik does"
    return (Job("directory.rotate_expired_tokens", rotate, summary, schedule=60 * MINUTE),)


def measures(services: ServiceRegistry) -> Iterable[Measure]:
    """Return the metric of running and waiting password hashes."""
    passwords = services[Passwords]
    yield Measure(
        name="ostiary_password_hashes",
        summary="Password hashes, running and waiting.",
        labels=("state",),
        read=lambda: {("running",): passwords.running, ("waiting",): passwords.waiting},
    )


ROOM: Final = Room(
    name="directory",
    kinds=resources.KINDS,
    backends=object_backends,
    migrations=tables.MIGRATIONS,
    sweeps=(tokens.sweep, attempts.sweep),
    services=(
        Service(Passwords, lambda _: Passwords()),
        Service(Users, lambda services: Users(services.database, install_id=services[Installation].install_id)),
        Service(Finder, lambda services: Finder(services.database)),
        Service(Tokens, lambda services: Tokens(services.database, services[Sealer])),
        Service(Attempts, lambda services: Attempts(services.database)),
        Service(Setup, lambda services: Setup(services.database)),
        Service(Accounts, accounts),
    ),
    hooks=(Service(AccountHooks, lambda _: AccountHooks()),),
    jobs=jobs,
    measures=measures,
)
