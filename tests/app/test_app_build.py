"""Everything built from settings: on a first start, on a second one, with the wrong key, behind a lost database."""

from __future__ import annotations

import asyncio
import io
from functools import partial
from pathlib import Path

import pytest
from app_core import settings_for

from ostiary.app.background import Background, jobs_of
from ostiary.app.core import Core, clock, open_core
from ostiary.app.errors import translate
from ostiary.app.health import RESULT_SECONDS, Health
from ostiary.app.metrics import Metrics
from ostiary.app.operator import banner
from ostiary.app.operator.links import base_url, remove_setup_link, setup_link, tls_url, write_setup_link
from ostiary.app.operator.migration import migrate_only
from ostiary.app.rooms import KINDS, MIGRATIONS, ROOMS, registry, sweepers_of
from ostiary.app.site import build_site
from ostiary.brands.resources import Brand
from ostiary.directory.errors import BadName, Busy, Throttled, UsernameTaken, WeakPassword
from ostiary.flows.resources import Flow
from ostiary.keys.defaults import INTERNAL_MANAGED, SELF_SIGNED_NAME
from ostiary.keys.resources import CertificateKeyPair
from ostiary.keys.signer import signer
from ostiary.portal.services import Pages
from ostiary.providers.oauth2.services import OAuth2Services
from ostiary.resource import InvalidResource, Problem
from ostiary.seal import Secret
from ostiary.seal.envelope import WrongKey
from ostiary.sessions.sessions import Sessions
from ostiary.settings import load
from ostiary.signon.recovery import Recoverer
from ostiary.store.database import Conflict, Unavailable
from ostiary.store.postgresql.opening import PostgresConfig
from ostiary.store.timeouts import BACKGROUND_TIMEOUT, batch_seconds
from ostiary.web.errors import NotFound
from ostiary.web.request import Request


def test_the_list_of_rooms_is_sound() -> None:
    assert len(list(registry())) == len(KINDS)
    assert len({step.number for step in MIGRATIONS}) == len(MIGRATIONS)


async def test_a_first_start_brings_the_default_objects(core: Core) -> None:
    snapshot = core.plane.snapshot
    pair = snapshot.find(CertificateKeyPair, name=SELF_SIGNED_NAME)
    assert pair is not None
    assert signer(snapshot, pair.pk).key.algorithm == "RS256"
    assert snapshot.find(CertificateKeyPair, managed=INTERNAL_MANAGED) is not None
    assert snapshot.find(Brand, default=True) is not None
    assert not await core.setup.closed()


async def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    first = await open_core(settings_for(tmp_path), environ={}, create=True)
    revision, install = first.plane.snapshot.number, first.users.install_id
    await first.close()
    second = await open_core(settings_for(tmp_path), environ={}, create=True)
    assert second.plane.snapshot.number == revision
    assert second.users.install_id == install
    await second.close()


async def test_a_first_start_may_wait_as_long_as_background_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes that start at once on a busy machine wait for each other: five seconds are for requests."""
    limits: list[float] = []

    async def make_pairs(*arguments: object, **named: object) -> None:
        del arguments, named
        limits.append(batch_seconds())

    monkeypatch.setattr("ostiary.app.core.make_default_pairs", make_pairs)
    opened = await open_core(settings_for(tmp_path), environ={}, create=True)
    await opened.close()
    assert limits == [BACKGROUND_TIMEOUT]


async def test_every_part_has_the_clock_that_is_given(tmp_path: Path) -> None:
    then = 1_900_000_000_000_000
    opened = await open_core(settings_for(tmp_path), environ={}, create=True, clock=lambda: then)
    built = build_site(opened, Metrics(version="1"))
    assert {revision.created for revision in await opened.plane.revisions()} == {then}
    assert {one.clock() for one in (opened.services, built.services)} == {then}
    assert built.services[Pages].clock() == built.services[OAuth2Services].clock() == then
    await opened.close()


async def test_two_processes_start_at_once_behind_a_migration(tmp_path: Path, postgres_config: PostgresConfig) -> None:
    """As the compose file has it: `migrate` ends, then server and worker begin at the same moment."""
    settings = settings_for(
        tmp_path / "data",
        OSTIARY_POSTGRESQL__HOST=postgres_config.host,
        OSTIARY_POSTGRESQL__PORT=str(postgres_config.port),
        OSTIARY_POSTGRESQL__NAME=postgres_config.name,
        OSTIARY_POSTGRESQL__USER=postgres_config.user,
        OSTIARY_POSTGRESQL__PASSWORD=postgres_config.password.reveal(),
        OSTIARY_SECRET_KEY="one key for both of the processes, long enough",
    )
    with pytest.raises(Unavailable, match="there is no installation"):
        await open_core(settings, environ={}, serving=True)
    assert await migrate_only(settings) > 0
    both = await asyncio.gather(*(open_core(settings, environ={}, serving=True) for _ in range(2)))
    for core in both:
        await core.plane.refresh()
        assert len(core.plane.snapshot.all(CertificateKeyPair)) > 0
        assert core.plane.snapshot.find(Flow, slug="default-authentication-flow") is not None
    assert both[0].plane.snapshot.number == both[1].plane.snapshot.number
    for core in both:
        await core.close()


async def test_everything_starts_on_postgresql_too(tmp_path: Path, postgres_config: PostgresConfig) -> None:
    environ = {
        "AUTHENTIK_POSTGRESQL__HOST": postgres_config.host,
        "AUTHENTIK_POSTGRESQL__PORT": str(postgres_config.port),
        "AUTHENTIK_POSTGRESQL__NAME": postgres_config.name,
        "AUTHENTIK_POSTGRESQL__USER": postgres_config.user,
        "AUTHENTIK_POSTGRESQL__PASSWORD": postgres_config.password.reveal(),
    }
    first = await open_core(settings_for(tmp_path / "data", **environ), environ={}, create=True)
    assert first.database.dialect == "postgresql"
    assert first.plane.snapshot.find(CertificateKeyPair, name=SELF_SIGNED_NAME) is not None
    revision = first.plane.snapshot.number
    health = build_site(first, Metrics(version="1")).health
    health.begin()
    assert await health.is_ready()
    await first.close()
    second = await open_core(settings_for(tmp_path / "data", **environ), environ={}, create=True)
    assert second.plane.snapshot.number == revision
    await second.close()
    assert not (tmp_path / "data").exists()


async def test_the_wrong_secret_key_does_not_start(tmp_path: Path) -> None:
    await (await open_core(settings_for(tmp_path), environ={}, create=True)).close()
    with pytest.raises(WrongKey):
        await open_core(settings_for(tmp_path, OSTIARY_SECRET_KEY="another" * 8), environ={}, create=True)


async def test_bootstrap_settings_apply_once(tmp_path: Path) -> None:
    given = {"AUTHENTIK_BOOTSTRAP_PASSWORD": "0007194628350", "AUTHENTIK_BOOTSTRAP_EMAIL": "a@example.org"}
    first = await open_core(settings_for(tmp_path, **given), environ={}, create=True)
    assert await first.setup.closed()
    akadmin = await first.users.by_username("akadmin")
    assert akadmin is not None
    assert akadmin.email == "a@example.org"
    assert (await first.passwords.verify(Secret("0007194628350"), akadmin.password)).ok
    await first.close()
    second = await open_core(settings_for(tmp_path, AUTHENTIK_BOOTSTRAP_PASSWORD="another"), environ={}, create=True)
    again = await second.users.by_username("akadmin")
    assert again is not None
    assert again.password == akadmin.password
    await second.close()


@pytest.mark.parametrize(
    ("password", "told"), [("short", "at least 8 characters"), ("passwordpassword123456", "too easy to guess")]
)
async def test_the_bootstrap_takes_what_the_wizard_takes(tmp_path: Path, password: str, told: str) -> None:
    with pytest.raises(WeakPassword, match=told) as caught:
        await open_core(settings_for(tmp_path, OSTIARY_BOOTSTRAP_PASSWORD=password), environ={}, create=True)
    assert str(caught.value).startswith("OSTIARY_BOOTSTRAP_PASSWORD ")
    assert password not in str(caught.value)
    given = {"OSTIARY_BOOTSTRAP_PASSWORD": "battery staple horse", "OSTIARY_BOOTSTRAP_EMAIL": "no address"}
    with pytest.raises(BadName, match="no address"):
        await open_core(settings_for(tmp_path, **given), environ={}, create=True)


async def test_migrations_alone(tmp_path: Path) -> None:
    assert await migrate_only(settings_for(tmp_path)) == len(MIGRATIONS)
    assert await migrate_only(settings_for(tmp_path)) == 0


async def test_the_site_is_ready_from_begin_until_stop(core: Core) -> None:
    built = build_site(core, Metrics(version="1"))
    assert not await built.health.is_ready()
    built.health.begin()
    assert await built.health.is_ready()
    built.health.stop()
    assert not await built.health.is_ready()


async def test_a_lost_database_is_not_ready_and_comes_back(core: Core) -> None:
    now = [0.0]
    health = Health(core.database, clock=lambda: now[0])
    health.begin()
    assert await health.is_ready()
    await core.database.close()
    now[0] += RESULT_SECONDS
    assert not await health.is_ready()


async def test_routes_have_no_two_owners(core: Core) -> None:
    built = build_site(core, Metrics(version="1"))
    seen = [(route.method, route.path) for route in built.routes]
    assert len(seen) == len(set(seen))


async def test_background_work_starts_and_stops(core: Core) -> None:
    names = [job.name for job in jobs_of(core)]
    assert len(names) == len(set(names))
    background = Background(core, worker=True)
    background.start()
    await asyncio.sleep(0.05)
    await asyncio.wait_for(background.stop(), 60)
    without = Background(core, worker=False)
    without.start()
    await without.stop()


async def test_everything_that_expires_is_swept(core: Core) -> None:
    from ostiary.store.database import Batch, Statement

    def run(statement: Statement) -> Batch[None]:
        yield statement

    for sweeper in sweepers_of(ROOMS):
        await core.database.write(partial(run, sweeper(clock())))


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (Unavailable("x"), 503, "5"),
        (Busy(), 503, "5"),
        (Throttled(17), 429, "17"),
        (Conflict("x"), 409, None),
        (UsernameTaken("ada"), 400, None),
        (InvalidResource("a.b", [Problem("name", "is required")]), 400, None),
    ],
)
def test_errors_of_rooms_have_one_meaning(error: Exception, status: int, retry: str | None) -> None:
    found = translate(error)
    assert found is not None
    assert found.status == status
    assert dict(found.headers).get("retry-after") == retry


def test_an_unexpected_error_has_none() -> None:
    assert translate(RuntimeError("x")) is None


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "http://localhost:9000/"),
        ({"OSTIARY_LISTEN__HTTP": "[::1]:80"}, "http://localhost:80/"),
        ({"OSTIARY_LISTEN__HTTP": "[fd00::1]:80", "OSTIARY_WEB__PATH": "/auth/"}, "http://[fd00::1]:80/auth/"),
        ({"OSTIARY_HOSTS": "id.example.org"}, "https://id.example.org/"),
    ],
)
def test_where_people_find_us(environ: dict[str, str], url: str) -> None:
    assert base_url(load(environ, default_file=None)) == url


async def test_the_start_tells_the_tls_address_when_it_listens(core: Core) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shut, listening = Terminal(), Terminal()
    await banner.announce(core, tls=False, stream=shut)
    await banner.announce(core, tls=True, stream=listening)
    assert "https://" not in shut.getvalue()
    assert "  with TLS   https://localhost:9443/\n" in listening.getvalue()
    assert tls_url(load({"OSTIARY_LISTEN__HTTPS": "off"}, default_file=None)) is None
    assert tls_url(load({"OSTIARY_LISTEN__HTTPS": "[fd00::1]:443"}, default_file=None)) == "https://[fd00::1]:443/"


def test_the_setup_link_is_for_its_owner_alone(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    link = setup_link(settings, Secret("the-token"))
    assert link == "http://localhost:9000/if/flow/initial-setup/?token=the-token"
    path = write_setup_link(settings, link)
    assert write_setup_link(settings, link) == path
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().strip() == link
    remove_setup_link(settings)
    remove_setup_link(settings)
    assert not path.exists()


async def test_a_recovery_key_of_nobody_opens_nothing(core: Core) -> None:
    services = build_site(core, Metrics(version="test")).services
    recoverer, sessions = services[Recoverer], services[Sessions]
    with pytest.raises(NotFound):
        await recoverer.recover(Request(), "nothing", clock())
    await core.accounts.create("ada", now=clock())
    key = await core.accounts.recovery_link("ada", without_mfa=True, now=clock())
    request = Request()
    led = await recoverer.recover(request, key.reveal(), clock())
    assert led.startswith("/flows/-/configure/"), "to a new password"
    assert led.endswith("?next=/if/user/")
    session = await sessions.read(request, clock())
    assert session is not None
    assert session.user is not None
    with pytest.raises(NotFound):
        await recoverer.recover(Request(), key.reveal(), clock())
