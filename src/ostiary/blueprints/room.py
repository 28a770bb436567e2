"""The kinds, services and jobs of this room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ostiary.blueprints import states
from ostiary.blueprints.discovery import Discovery
from ostiary.blueprints.jobs import discovery_jobs, watch
from ostiary.blueprints.resources import BlueprintInstance
from ostiary.resource import Registry
from ostiary.room import Room, Service
from ostiary.settings import Settings
from ostiary.settings.environment import Environment
from ostiary.store.workspace.editor import Editor

if TYPE_CHECKING:
    from ostiary.room import Job, ServiceRegistry
    from ostiary.store.loop import Loop


def discovery(services: ServiceRegistry) -> Discovery:
    """Return the discovery, which finds blueprints and applies them."""
    return Discovery(
        database=services.database,
        editor=services[Editor],
        registry=services[Registry],
        environ=services[Environment].values,
        directory=services[Settings].blueprints_dir,
    )


def jobs(services: ServiceRegistry) -> Sequence[Job]:
    """Return the job that looks at every blueprint."""
    return discovery_jobs(services[Discovery])


def loops(services: ServiceRegistry) -> Sequence[Loop]:
    """Return the loop that watches the blueprints directory, if there is one."""
    folder = services[Discovery].directory
    return () if folder is None else (watch(services.database, folder, clock=services.clock),)


ROOM: Final = Room(
    name="blueprints",
    kinds=(BlueprintInstance,),
    migrations=states.MIGRATIONS,
    services=(Service(Discovery, discovery),),
    jobs=jobs,
    loops=loops,
)
