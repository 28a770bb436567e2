from __future__ import annotations

import functools
import logging
import uuid
from collections.abc import Mapping

import pytest
from support.explain import explain

from ostiary.events.audit import app_module, audit_changes
from ostiary.events.event import event
from ostiary.events.masking import cleanse, is_hidden
from ostiary.events.repository import Event, EventFilter, Events, outdated, sweep
from ostiary.events.room import ROOM
from ostiary.events.session_events import login_event, logout_event
from ostiary.events.signin_log import SignInLog
from ostiary.resource import codec
from ostiary.room import ServiceRegistry
from ostiary.seal import Secret
from ostiary.sessions.session import Session
from ostiary.settings import load
from ostiary.store.database import Database
from ostiary.store.workspace.changes import Change
from ostiary.store.workspace.commit import run

NOW = 1_700_000_000_000_000
WHO = {"pk": 7, "username": "jo", "email": "jo@example.org"}


async def test_an_event_is_written_and_read(database: Database) -> None:
    first = event("login", user=WHO, app="a", context={"x": [1, "é"]}, client_ip="192.0.2.1", now=NOW)
    second = event("logout", user=None, app="a", context={}, client_ip=None, now=NOW + 1)
    await database.write(lambda: run([first, second]))
    events = Events(database)
    assert [one.action for one in await events.search(EventFilter())] == ["logout", "login"]
    (stored,) = await events.search(
        EventFilter(action="login", user=7, username="jo", client_ip="192.0.2.1", since=NOW, until=NOW + 1)
    )
    assert (stored.user, stored.context, stored.client_ip) == (WHO, {"x": [1, "é"]}, "192.0.2.1")
    assert stored.expires - stored.created == 365 * 86_400_000_000
    assert await events.get(stored.pk) == stored
    assert await events.get("nothing") is None
    assert await events.count(EventFilter(user=8)) == 0
    assert [one.action for one in await events.search(EventFilter(), limit=1, offset=1)] == ["login"]


async def test_paging_yields_each_event_once_despite_concurrent_writes(database: Database) -> None:
    # Three share each moment, and pages end among them.
    rows = [
        event("login", user=WHO, app="a", context={}, client_ip=None, now=NOW + number // 3) for number in range(250)
    ]
    await database.write(lambda: run([*rows, event("logout", user=WHO, app="a", context={}, client_ip=None, now=NOW)]))
    read: list[Event] = []
    async for one in Events(database).newest_first(EventFilter(actions=("login",))):
        if len(read) % 50 == 0:
            later = event("login", user=WHO, app="a", context={}, client_ip=None, now=NOW + 1_000)
            await database.write(functools.partial(run, [later]))
        read.append(one)
    assert len(read) == len({one.pk for one in read}) == 250
    assert [one.created for one in read] == sorted((one.created for one in read), reverse=True)


async def test_the_sweep_deletes_expired_events(database: Database) -> None:
    old = event("login", user=None, app="a", context={}, client_ip=None, now=NOW, expires=NOW + 5)
    valid = event("logout", user=None, app="a", context={}, client_ip=None, now=NOW)
    await database.write(lambda: run([old, valid]))
    await database.write(lambda: run([sweep(NOW + 5)]))
    assert [one.action for one in await Events(database).search(EventFilter())] == ["logout"]


@pytest.mark.parametrize(("days", "kept"), [(365, {"new", "old"}), (30, {"new"}), (800, {"new", "old", "ancient"})])
async def test_events_are_kept_as_long_as_is_set(database: Database, days: int, kept: set[str]) -> None:
    """A change of the setting counts for what is there already; an expiry of its own still ends an event earlier."""
    day = 86_400_000_000
    ages = {"new": 1, "old": 100, "ancient": 700}
    rows = [
        event("login", user={"username": name}, app="a", context={}, client_ip=None, now=NOW - age * day)
        for name, age in ages.items()
    ]
    stranger = event("login", user=None, app="a", context={}, client_ip=None, now=NOW, expires=NOW + day)
    await database.write(lambda: run([*rows, stranger]))
    await database.write(lambda: run([outdated(NOW, days * day)]))
    events = Events(database, days * day)
    found = await events.search(EventFilter())
    assert {one.user["username"] for one in found if one.user} == kept
    assert {one.expires - one.created for one in found} == {days * day, day}
    await database.write(lambda: run([sweep(NOW + 800 * day)]))
    assert {one.user["username"] for one in await events.search(EventFilter()) if one.user} == kept


async def test_the_job_deletes_by_the_setting(sqlite_database: Database) -> None:
    settings = load({"OSTIARY_EVENT_RETENTION": "hours=1"}, default_file=None)
    services = ServiceRegistry(settings, database=sqlite_database, clock=lambda: NOW)
    rows = [
        event("login", user=None, app="a", context={}, client_ip=None, now=NOW - age * 60_000_000) for age in (59, 61)
    ]
    await sqlite_database.write(lambda: run(rows))
    (job,) = ROOM.jobs(services)
    await job.handler({}, now=NOW)
    (left,) = await Events(sqlite_database).search(EventFilter())
    assert left.created == NOW - 59 * 60_000_000


async def test_an_event_accepts_any_text(database: Database) -> None:
    odd = "a\0b\ud800" + "x" * 10_000
    who = {"pk": 2**80, "username": odd}
    statement = event(
        "login_failed", user=who, app="a", context={odd: odd, "n": 2**70, "f": float("nan")}, client_ip=odd, now=NOW
    )
    await database.write(lambda: run([statement]))
    (stored,) = await Events(database).search(EventFilter())
    assert "\0" not in str(stored.context)
    assert len(str(stored.user["username"])) <= 4096


def test_an_unknown_action_is_refused() -> None:
    with pytest.raises(ValueError, match="logn"):
        event("logn", user=None, app="a", context={}, client_ip=None, now=NOW)
    event("custom_thing", user=None, app="a", context={}, client_ip=None, now=NOW)


def test_a54_secrets_never_enter_an_event() -> None:
    context = {
        "anything": Secret("hidden-1"),
        "list": [{"clientSecret": "hidden-2"}],
        "new_password": {"previous": "hidden-3", "empty": ""},
        "api-key": ["hidden-4", 5],
        "raw": b"hidden-5",
        "monkey": "visible",
    }
    text = str(event("custom_x", user=None, app="a", context=context, client_ip=None, now=NOW).parameters)
    assert "hidden" not in text
    assert "visible" in text


@pytest.mark.parametrize("name", ["password", "client_secret", "accessToken", "API_KEY", "Set-Cookie", "otp"])
def test_names_that_denote_a_secret(name: str) -> None:
    assert is_hidden(name)


@pytest.mark.parametrize("name", ["username", "monkey", "passage", "pk", "known_device", "auth_method", ""])
def test_names_that_denote_no_secret(name: str) -> None:
    assert not is_hidden(name)


def test_depth_and_size_are_bounded() -> None:
    deep: object = "x"
    for _ in range(50):
        deep = {"a": deep}
    text = codec.encode_canonical(cleanse({"deep": deep, "wide": list(range(10_000)), "set": {"b", "a"}}))
    assert len(text) < 2000
    assert '["a","b"]' in text


def test_audit_writes_masked_differences() -> None:
    from ostiary.directory.resources import TokenKind, UserKind

    user = UserKind.KIND
    before = user.parse({"username": "jo", "attributes": {"password": "hidden", "x": 1}})
    after = {**before, "name": "Jo", "password": Secret("hidden"), "attributes": {"password": "hidden2", "x": 2}}
    token = TokenKind.KIND
    values = token.parse({"identifier": "t", "user": 7, "key": "hidden"})
    changes = [
        Change(user, 7, before, after),
        Change(user, 8, before, None),
        Change(token, "p", None, values),
    ]
    statements = list(audit_changes(changes, "jo", NOW))
    actions = [str(one.parameters[3]) for one in statements]
    contexts = [codec.decode(str(one.parameters[8])) for one in statements]
    assert actions == ["model_updated", "model_deleted", "model_created"]
    assert "hidden" not in str(contexts)
    assert contexts[0] == {
        "model": {"app": "authentik_core", "model_name": "user", "name": "jo", "pk": "7"},
        "diff": {
            "name": {"new_value": "Jo", "previous_value": ""},
            "password": {"new_value": "********", "previous_value": None},
            "attributes": {
                "new_value": {"password": "********", "x": 2},
                "previous_value": {"password": "********", "x": 1},
            },
        },
    }
    assert contexts[1] == {"model": {"app": "authentik_core", "model_name": "user", "name": "jo", "pk": "8"}}
    assert contexts[2]["diff"]["key"] == {"new_value": "********"}  # type: ignore[index]
    assert "expiring" not in contexts[2]["diff"]  # type: ignore[index]
    assert statements[0].parameters[4] == "authentik.core"


@pytest.mark.parametrize(
    ("label", "module"),
    [
        ("authentik_core", "authentik.core"),
        ("authentik_stages_authenticator_totp", "authentik.stages.authenticator_totp"),
        ("authentik_policies", "authentik.policies"),
        ("authentik_providers_oauth2", "authentik.providers.oauth2"),
    ],
)
def test_app_module(label: str, module: str) -> None:
    assert app_module(label) == module


def test_sign_in_and_sign_out_are_events() -> None:
    session = Session(
        key=b"", pk="", created=0, last_seen=0, expires=0, idle_expires=0, idle=0, persistent=False, user=7, who=WHO,
        auth_method="password", auth_args={"mfa_devices": [{"pk": 1}]}, address="192.0.2.9", user_agent="curl",
    )  # fmt: skip
    (login,) = login_event(session, NOW)
    assert login.parameters[3] == "login"
    assert codec.decode(str(login.parameters[8])) == {
        "auth_method": "password",
        "auth_method_args": {"mfa_devices": [{"pk": 1}]},
        "user_agent": "curl",
    }
    assert [one.parameters[3] for one in logout_event(session, NOW)] == ["logout"]


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("jo@example.org", "jo@example.org"),
        ("a b", "a%20b"),
        ("x\nsign-in failed user=y address=192.0.2.66", "x%0Asign-in%20failed%20user%3Dy%20address%3D192.0.2.66"),
        ("\ud800", "%3F"),
        ("", ""),
        (None, ""),
    ],
)
def test_the_log_line_cannot_be_forged(caplog: pytest.LogCaptureFixture, typed: str | None, written: str) -> None:
    with caplog.at_level(logging.WARNING, logger="ostiary.signin"):
        SignInLog().failed(user=typed, address="2001:db8::1", reason="password")
    assert caplog.messages == [f"sign-in failed user={written} address=2001:db8::1 reason=password"]


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("SELECT pk FROM event WHERE action = 'login' ORDER BY created DESC, pk DESC LIMIT 20", "event_action"),
        ("SELECT pk FROM event WHERE user_pk = 7 ORDER BY created DESC, pk DESC LIMIT 20", "event_user"),
        ("SELECT pk FROM event ORDER BY created DESC, pk DESC LIMIT 20", "event_created"),
        ("DELETE FROM event WHERE expires <= 5", "event_expires"),
        ("SELECT pk FROM event WHERE created <= 5 ORDER BY created LIMIT 250", "event_created"),
    ],
)
async def test_hot_statements_use_an_index(database: Database, sql: str, index: str) -> None:
    assert index in await explain(database, sql)


def _context_column(context: Mapping[str, object]) -> object:
    return event("login", user=WHO, app="a", context=context, client_ip=None, now=NOW).parameters[8]


def test_cached_columns_equal_the_first_ones() -> None:
    for _ in range(2):
        assert _context_column({"password": "a", "n": 1}) == '{"n":1,"password":"********"}'
        assert _context_column({"raw": b"octets"}) == _context_column({"raw": Secret("octets")})
        assert "octets" not in str(_context_column({"raw": b"octets"}))
        assert _context_column({"n": 2}) == '{"n":2}'


def test_more_events_than_are_cached() -> None:
    assert [_context_column({"n": number}) for number in range(3000)] == [f'{{"n":{number}}}' for number in range(3000)]


def test_keys_are_uuids_in_the_order_of_time() -> None:
    keys = [str(event("login", user=None, app="", context={}, client_ip=None, now=at * 1_000_000).parameters[0])
            for at in range(1_700_000_000, 1_700_000_200)]  # fmt: skip
    assert [(uuid.UUID(key).version, uuid.UUID(key).variant) for key in keys] == [(7, uuid.RFC_4122)] * 200
    assert keys == sorted(set(keys))
    assert uuid.UUID(keys[0]).int >> 80 == 1_700_000_000_000
