"""Which hosts are ours: the setting, brands, what was pinned, the loopback; and nothing else (A75)."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from app_core import settings_for

from ostiary.app.core import Core, clock, open_core
from ostiary.app.listening.hosts import Hosts
from ostiary.app.operator import banner
from ostiary.app.operator.links import base_url
from ostiary.app.rooms import MIGRATIONS
from ostiary.brands.hosts import pin, unpin
from ostiary.brands.resources import Host
from ostiary.resource import InvalidResource
from ostiary.settings import load
from ostiary.store.database import Batch, Database, Statement
from ostiary.store.migrations import migrate
from ostiary.store.postgresql.opening import PostgresConfig
from ostiary.web.request import Request

STRANGER = "203.0.113.9"


def asked(hosts: Hosts, host: str, *, client: str = STRANGER, path: str = "/if/user/") -> bool:
    return hosts.accepts(Request(host=host, client=client, path=path))


async def add(core: Core, *hosts: str) -> None:
    await pin(core.editor, hosts, author="test", now=clock())


async def test_the_setting_names_hosts(core: Core, tmp_path: Path) -> None:
    named = load({"OSTIARY_HOSTS": "https://ID.example.org/, b.example:8443, .c.example, [2001:db8::1]"})
    assert named.hosts == ("id.example.org", "b.example:8443", ".c.example", "[2001:db8::1]")
    hosts = Hosts(core.plane, named)
    for ours in ("id.example.org", "id.example.org:9000", "id.example.org:9443", "b.example:8443", "x.c.example",
                 "x.y.c.example:9000", "[2001:db8::1]", "[2001:db8::1]:9000"):  # fmt: skip
        assert asked(hosts, ours), ours
    for other in ("id.example.org:1234", "b.example", "b.example:9000", "c.example", "xc.example", "x.c.example:1",
                  "evil.example", "id.example.org.evil.example", "[2001:db8::2]", "192.0.2.1:9000", "a..b", ""):  # fmt: skip
        assert not asked(hosts, other), other


async def test_brands_and_pinned_hosts_are_ours_at_once(core: Core) -> None:
    assert not asked(core.hosts, "id.example.org")
    await add(core, "id.example.org", "other.example:8443")
    assert asked(core.hosts, "id.example.org")
    assert asked(core.hosts, "other.example:8443")
    assert not asked(core.hosts, "other.example")

    async def brand(workspace: object) -> None:
        await workspace.create("authentik_brands.brand", {"domain": "Brand.example"})  # type: ignore[attr-defined]

    await core.editor.edit(brand, author="test", message="", now=clock())
    assert asked(core.hosts, "brand.example")
    assert asked(core.hosts, "deep.brand.example")
    assert asked(core.hosts, "id.example.org")
    assert await unpin(core.editor, "id.example.org", author="test", now=clock())
    assert not asked(core.hosts, "id.example.org")
    assert not await unpin(core.editor, "id.example.org", author="test", now=clock())


@pytest.mark.parametrize("named", [False, True])
async def test_the_listen_address_counts_for_clients_on_this_machine(core: Core, named: bool) -> None:
    if named:
        await add(core, "id.example.org")
    for host in ("localhost:9000", "127.0.0.1:9000", "[::1]:9000", "localhost:9443"):
        for client in ("127.0.0.1", "::1", "127.0.0.2", "::ffff:127.0.0.1"):
            assert asked(core.hosts, host, client=client)
        for client in (STRANGER, "10.0.0.1", "", "nonsense"):
            assert not asked(core.hosts, host, client=client)
    for host in ("localhost", "localhost:1234", "127.0.0.2:9000", "a.localhost:9000", "192.0.2.1:9000"):
        assert not asked(core.hosts, host, client="127.0.0.1")


async def test_usual_ports_and_odd_loopback_addresses_that_we_listen_on(core: Core, tmp_path: Path) -> None:
    listening = settings_for(tmp_path, OSTIARY_LISTEN__HTTP="127.0.0.5:80", OSTIARY_LISTEN__HTTPS="off")
    hosts = Hosts(core.plane, listening)
    assert asked(hosts, "localhost", client="127.0.0.1")
    assert asked(hosts, "127.0.0.5", client="127.0.0.1")
    assert not asked(hosts, "localhost:9000", client="127.0.0.1")


async def test_before_a_host_is_named_only_the_wizard_is_at_any(core: Core) -> None:
    wizard = ["/", "/if/flow/initial-setup/", "/api/v3/flows/executor/initial-setup/"]
    others = ["/if/user/", "/if/flow/default-authentication-flow/", "/application/o/token/", "/if/flow/initial-setup"]
    assert all(asked(core.hosts, "id.example.org", path=path) for path in wizard)
    assert not any(asked(core.hosts, "id.example.org", path=path) for path in others)
    await add(core, "other.example")
    assert not any(asked(core.hosts, "id.example.org", path=path) for path in wizard)


async def test_a_refusal_names_the_setting_once_for_each_host(core: Core, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ostiary.web"):
        for host in ("a.example:8443", "a.example:8443", "b.example"):
            error = await core.hosts.refusal(Request(host=host, client=STRANGER, path="/if/user/"))
            assert error is not None
            assert (error.status, error.code) == (421, "misdirected_request")
            assert f"OSTIARY_HOSTS={host}" in error.message
    assert len(caplog.messages) == 2
    assert "OSTIARY_HOSTS=a.example:8443" in caplog.messages[0]
    assert "ostiary host add b.example" in caplog.messages[1]


@pytest.fixture
async def old(database: Database) -> Database:
    """A database of the version before hosts were pinned, in which somebody has finished the wizard."""
    await _write(database, "ALTER TABLE directory_install DROP COLUMN hosts_open")
    await _write(database, "DELETE FROM schema_step WHERE number = 54")
    return database


async def _write(database: Database, sql: str) -> None:
    def batch() -> Batch[None]:
        yield Statement(sql)

    await database.write(batch)


@pytest.mark.parametrize(
    ("before", "open_before"),
    [
        ("UPDATE directory_install SET setup_closed = 1", True),
        ("UPDATE directory_install SET setup_closed = 0", False),
    ],
)
async def test_only_where_people_were_before_is_any_host_answered(
    old: Database, before: str, open_before: bool
) -> None:
    from ostiary.directory.first_run.setup import Setup

    await _write(old, before)
    assert await migrate(old, MIGRATIONS, now=clock()) == 1
    assert await Setup(old).hosts_open() is open_before
    await Setup(old).close_hosts()
    assert not await Setup(old).hosts_open()


async def test_an_upgrade_locks_nobody_out_and_ends_when_a_host_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = await open_core(
        settings_for(tmp_path, OSTIARY_BOOTSTRAP_PASSWORD="correct horse battery"), environ={}, create=True
    )
    assert not first.hosts.accepts_any(), "a new installation is closed"
    await _write(first.database, "UPDATE directory_install SET hosts_open = 1")
    await first.close()

    upgraded = await open_core(settings_for(tmp_path), environ={}, create=True)
    assert upgraded.hosts.accepts_any()
    with caplog.at_level(logging.WARNING, "ostiary.web"):
        assert asked(upgraded.hosts, "id.example.org")
        assert asked(upgraded.hosts, "id.example.org")
        assert asked(upgraded.hosts, "127.0.0.1:9000", client="127.0.0.1")
    assert len(caplog.messages) == 1
    assert "OSTIARY_HOSTS=id.example.org" in caplog.messages[0]
    assert "any host name is answered" in banner.host_notes(upgraded)[0]
    await add(upgraded, "id.example.org")
    assert not asked(upgraded.hosts, "evil.example")
    await unpin(upgraded.editor, "id.example.org", author="test", now=clock())
    assert not asked(upgraded.hosts, "evil.example"), "for good in this process"
    await add(upgraded, "id.example.org")
    await upgraded.close()

    again = await open_core(settings_for(tmp_path), environ={}, create=True)
    await unpin(again.editor, "id.example.org", author="test", now=clock())
    await again.close()
    last = await open_core(settings_for(tmp_path), environ={}, create=True)
    assert not last.hosts.accepts_any(), "and in the next"
    assert not asked(last.hosts, "evil.example")
    await last.close()


async def test_another_process_is_asked_before_a_refusal(tmp_path: Path, postgres_config: PostgresConfig) -> None:
    environ = {
        "OSTIARY_POSTGRESQL__HOST": postgres_config.host,
        "OSTIARY_POSTGRESQL__PORT": str(postgres_config.port),
        "OSTIARY_POSTGRESQL__NAME": postgres_config.name,
        "OSTIARY_POSTGRESQL__USER": postgres_config.user,
        "OSTIARY_POSTGRESQL__PASSWORD": postgres_config.password.reveal(),
    }
    one = await open_core(settings_for(tmp_path, **environ), environ={}, create=True)
    other = await open_core(settings_for(tmp_path, **environ), environ={}, create=True)
    await add(one, "id.example.org")
    assert not asked(other.hosts, "id.example.org"), "its snapshot is older"
    assert await other.hosts.refusal(Request(host="id.example.org", client=STRANGER)) is None
    assert asked(other.hosts, "id.example.org")
    await one.close()
    await other.close()
    assert (await other.hosts.refusal(Request(host="a.example", path="/x"))) is not None, "a lost database refuses"


async def test_links_lead_to_the_pinned_host(core: Core) -> None:
    assert core.hosts.address() is None
    await add(core, "192.0.2.5:9000", "z.example")
    assert base_url(core.settings, core.hosts.address()) == "http://192.0.2.5:9000/"
    assert base_url(core.settings, "z.example") == "https://z.example/"


async def test_what_is_listed(core: Core) -> None:
    await add(core, "z.example")
    rows = core.hosts.sources()
    assert ("z.example", "host add, or the first-run wizard") in rows
    assert ("localhost:9000", "the listen address, on this machine alone") in rows


async def test_a_first_start_that_others_can_reach_says_what_is_missing(core: Core, tmp_path: Path) -> None:
    assert banner.host_notes(core) == []
    everywhere = settings_for(tmp_path / "b", OSTIARY_LISTEN__HTTP="0.0.0.0:9000")
    opened = await open_core(everywhere, environ={}, create=True)
    (note,) = banner.host_notes(opened)
    assert "OSTIARY_HOSTS" in note
    await add(opened, "id.example.org")
    assert banner.host_notes(opened) == []
    await opened.close()


@pytest.mark.parametrize("host", ["ID.example.org", "https://id.example.org", "id.example.org:443", "a b", "a.b.", ""])
def test_a_pinned_host_has_one_spelling(host: str) -> None:
    with pytest.raises(InvalidResource, match="host"):
        Host.KIND.make("x", Host.KIND.parse({"host": host}))


def test_a_setting_that_is_no_host_is_told() -> None:
    from ostiary.settings import SettingsError

    with pytest.raises(SettingsError, match=r"OSTIARY_HOSTS: expected a host name .* 'a b' is none"):
        load({"OSTIARY_HOSTS": "id.example.org,a b"}, default_file=None)
