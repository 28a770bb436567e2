from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable

import pytest
from support.explain import explain

from ostiary.sessions import repository
from ostiary.sessions.cookie import COOKIE, CookieSettings
from ostiary.sessions.expiry import AT_ONCE, end_expired
from ostiary.sessions.session import ANONYMOUS, BROWSER_ABSOLUTE, BROWSER_IDLE, DAY, HOUR, MINUTE, Session, SessionGone
from ostiary.sessions.sessions import Hooks, SessionLogin, Sessions
from ostiary.store.database import Database, Statement, fetch_one
from ostiary.store.workspace.commit import run
from ostiary.web.request import Request
from ostiary.web.response import Response

NOW = 1_700_000_000_000_000
WHO = {"pk": 7, "username": "jo", "email": ""}
PROOF = SessionLogin(user=7, who=WHO, auth_method="password", auth_args={"a": 1}, amr=("pwd",))


def make_request(cookie: str | None = None, *, scheme: str = "http") -> Request:
    headers = {"user-agent": "test"}
    if cookie is not None:
        headers["cookie"] = cookie if "=" in cookie else f"{COOKIE}={cookie}"
    return Request(headers=headers, client="192.0.2.1", scheme=scheme)


def set_cookie_header(sessions: Sessions, request: Request) -> str | None:
    """Return the Set-Cookie header of the response to a request."""
    response = Response(200)
    sessions.finish(request, response)
    return response.header("set-cookie")


def value(header: str | None) -> str:
    assert header is not None
    return header.partition("=")[2].partition(";")[0]


@pytest.fixture
def sessions(database: Database) -> Sessions:
    return Sessions(database, CookieSettings())


async def signed_in(sessions: Sessions, proof: SessionLogin = PROOF, *, now: int = NOW) -> tuple[str, Session]:
    request = make_request()
    session = await sessions.sign_in(request, await sessions.ensure(request, now), proof, now=now)
    return value(set_cookie_header(sessions, request)), session


async def test_without_a_cookie_there_is_no_session_and_no_cookie(sessions: Sessions) -> None:
    request = make_request()
    assert await sessions.read(request, NOW) is None
    assert set_cookie_header(sessions, request) is None


async def test_an_anonymous_session_is_created_once_and_read_again(sessions: Sessions, database: Database) -> None:
    request = make_request()
    session = await sessions.ensure(request, NOW)
    assert await sessions.ensure(request, NOW) is session
    assert (session.user, session.address, session.user_agent) == (None, "192.0.2.1", "test")
    header = set_cookie_header(sessions, request)
    identifier = value(header)
    assert header == f"{COOKIE}={identifier}; Path=/; SameSite=Lax; HttpOnly"
    assert len(identifier) == 43
    again = make_request(identifier)
    assert await sessions.read(again, NOW) == session
    assert set_cookie_header(sessions, again) is None
    row = await fetch_one(database, "SELECT key FROM session")
    assert row is not None
    assert row["key"] == hashlib.sha256(identifier.encode()).digest()


async def test_the_database_never_sees_the_id(sessions: Sessions, database: Database) -> None:
    identifier, _ = await signed_in(sessions)
    rows = await database.fetch("SELECT * FROM session")
    assert rows
    for row in rows:
        for column in range(17):
            assert identifier not in str(row[column])


async def test_cookie_attributes_follow_scheme_domain_and_path(database: Database) -> None:
    sessions = Sessions(database, CookieSettings(domain="example.org", path="/auth/"))
    request = make_request(scheme="https")
    await sessions.ensure(request, NOW)
    header = set_cookie_header(sessions, request)
    assert header is not None
    assert header.endswith("; Path=/auth/; SameSite=Lax; Domain=example.org; Secure; HttpOnly")


@pytest.mark.parametrize("cookie", ["", "x", "a" * 42, "a" * 44, "a" * 42 + "!", "é" * 43, "a" * 43])
async def test_an_unknown_id_is_no_session(sessions: Sessions, cookie: str) -> None:
    assert await sessions.read(make_request(cookie), NOW) is None


async def test_a40_two_cookies_of_the_name_count_as_none(sessions: Sessions) -> None:
    identifier, _ = await signed_in(sessions)
    assert await sessions.read(make_request(identifier), NOW) is not None
    other, _ = await signed_in(sessions)
    assert await sessions.read(make_request(f"{COOKIE}={identifier}; {COOKIE}={other}"), NOW) is None
    assert await sessions.read(make_request(f"{COOKIE}={identifier}; {COOKIE}={identifier}"), NOW) is None


async def test_a40_sign_in_changes_the_id_and_invalidates_the_old_one(sessions: Sessions) -> None:
    first = make_request()
    anonymous = await sessions.ensure(first, NOW)
    old = value(set_cookie_header(sessions, first))
    request = make_request(old)
    stored = await sessions.read(request, NOW + 1)
    assert stored == anonymous
    session = await sessions.sign_in(request, anonymous, PROOF, now=NOW + 2)
    new = value(set_cookie_header(sessions, request))
    assert new != old
    assert session.pk != anonymous.pk
    assert await sessions.read(make_request(old), NOW + 3) is None
    current = await sessions.read(make_request(new), NOW + 3)
    assert current == session
    assert await sessions.read(request, NOW + 3) == session
    assert (session.user, session.auth_time, session.auth_method) == (7, NOW + 2, "password")
    assert (session.auth_args, session.amr, session.who) == ({"a": 1}, ("pwd",), WHO)


async def test_of_fifty_sign_ins_with_one_session_one_succeeds(sessions: Sessions, database: Database) -> None:
    session = await sessions.ensure(make_request(), NOW)
    tries = [sessions.sign_in(make_request(), session, PROOF, now=NOW) for _ in range(50)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, Session) for one in results) == 1
    assert sum(isinstance(one, SessionGone) for one in results) == 49
    row = await fetch_one(database, "SELECT COUNT(*) AS n FROM session")
    assert row is not None
    assert row["n"] == 1


async def test_sign_in_is_one_transaction_with_its_hooks(database: Database) -> None:
    hooks = Hooks()
    sessions = Sessions(database, CookieSettings(), hooks)
    session = await sessions.ensure(make_request(), NOW)
    hooks.on_begin.append(
        lambda begun, _: [Statement("INSERT INTO counter (name, value) VALUES ('begin', ?)", (begun.user,))]
    )
    bad = Statement("INSERT INTO counter (name, value) VALUES ('begin', 2)")
    with pytest.raises(Exception, match=r".*"):
        await sessions.sign_in(make_request(), session, PROOF, now=NOW, extra=[bad])
    assert await repository.load(database, session.key, NOW) == session
    assert await fetch_one(database, "SELECT 1 AS x FROM counter WHERE name = 'begin'") is None
    await sessions.sign_in(make_request(), session, PROOF, now=NOW)
    assert await fetch_one(database, "SELECT 1 AS x FROM counter WHERE name = 'begin'") is not None


class RecordingHooks:
    """Hooks that record their arguments."""

    def __init__(self) -> None:
        self.seen: list[tuple[object, ...]] = []

    def hooks(self) -> Hooks:
        return Hooks(
            on_begin=[lambda session, _: self._note("begin", session.key)],
            on_move=[lambda old, new: self._note("move", old.key, new.key)],
            on_end=[lambda key, _: self._note("end", key)],
            on_logout=[lambda session, _: self._note("logout", session.key)],
        )

    def _note(self, *what: object) -> Iterable[Statement]:
        self.seen.append(what)
        return [Statement("SELECT 1 AS x")]


async def test_the_same_person_again_moves_and_does_not_end(database: Database) -> None:
    recorder = RecordingHooks()
    sessions = Sessions(database, CookieSettings(), recorder.hooks())
    _, first = await signed_in(sessions)
    recorder.seen.clear()
    second = await sessions.sign_in(make_request(), first, PROOF, now=NOW + 5)
    assert recorder.seen == [("move", first.key, second.key), ("begin", second.key)]


async def test_a41_another_person_ends_what_the_first_left(database: Database) -> None:
    recorder = RecordingHooks()
    sessions = Sessions(database, CookieSettings(), recorder.hooks())
    identifier, first = await signed_in(sessions)
    first = await sessions.replace_data(make_request(identifier), first, {"private": 1})
    recorder.seen.clear()
    second = await sessions.sign_in(
        make_request(), first, SessionLogin(user=8, who={"pk": 8}, auth_method="password"), now=NOW + 5
    )
    assert recorder.seen == [("move", first.key, second.key), ("end", first.key), ("begin", second.key)]
    assert second.data == {}


async def test_sign_out_runs_the_hooks_and_clears_the_cookie(database: Database) -> None:
    recorder = RecordingHooks()
    sessions = Sessions(database, CookieSettings(), recorder.hooks())
    identifier, session = await signed_in(sessions)
    recorder.seen.clear()
    request = make_request(identifier)
    await sessions.end(
        request, session, now=NOW + 1, extra=[Statement("INSERT INTO counter (name, value) VALUES ('x', 1)")]
    )
    assert recorder.seen == [("end", session.key), ("logout", session.key)]
    header = set_cookie_header(sessions, request)
    assert header is not None
    assert header.startswith(f"{COOKIE}=; ")
    assert "Max-Age=0" in header
    assert await sessions.read(request, NOW + 1) is None
    assert await sessions.read(make_request(identifier), NOW + 1) is None
    await sessions.end(request, session, now=NOW + 2)


async def test_anonymous_sessions_expire_after_a_day(sessions: Sessions) -> None:
    request = make_request()
    await sessions.ensure(request, NOW)
    identifier = value(set_cookie_header(sessions, request))
    assert await sessions.read(make_request(identifier), NOW + ANONYMOUS - 1) is not None
    assert await sessions.read(make_request(identifier), NOW + ANONYMOUS) is None


async def test_a_browser_session_has_an_idle_timeout_and_ends_after_a_day(sessions: Sessions) -> None:
    identifier, session = await signed_in(sessions)
    assert not session.persistent
    assert await sessions.read(make_request(identifier), NOW + BROWSER_IDLE) is None
    identifier, _ = await signed_in(sessions)
    for hour in range(1, 24):
        assert await sessions.read(make_request(identifier), NOW + hour * HOUR) is not None
    assert await sessions.read(make_request(identifier), NOW + BROWSER_ABSOLUTE - 1) is not None
    assert await sessions.read(make_request(identifier), NOW + BROWSER_ABSOLUTE) is None


async def test_durations_and_remember_me(sessions: Sessions) -> None:
    request = make_request()
    proof = SessionLogin(user=7, who=WHO, auth_method="password", duration=30 * DAY)
    session = await sessions.sign_in(request, await sessions.ensure(request, NOW), proof, now=NOW)
    assert f"Max-Age={30 * 86_400}" in (set_cookie_header(sessions, request) or "")
    assert (session.expires - NOW, session.idle_expires - NOW) == (30 * DAY, 7 * DAY)
    remembered = SessionLogin(user=7, who=WHO, auth_method="password", duration=0, remember=20 * DAY)
    session = await sessions.sign_in(request, session, remembered, now=NOW)
    assert (session.expires - NOW, session.idle_expires - NOW) == (20 * DAY, 20 * DAY)
    endless = SessionLogin(user=7, who=WHO, auth_method="password", duration=9999 * DAY, remember=-5)
    session = await sessions.sign_in(request, session, endless, now=NOW)
    assert session.expires - NOW == 366 * DAY


async def test_last_seen_is_written_at_most_once_a_minute(sessions: Sessions, database: Database) -> None:
    identifier, session = await signed_in(sessions)

    async def last_seen() -> object:
        row = await fetch_one(database, "SELECT last_seen FROM session WHERE key = ?", session.key)
        assert row is not None
        return row["last_seen"]

    await sessions.read(make_request(identifier), NOW + MINUTE - 1)
    assert await last_seen() == NOW
    touched = await sessions.read(make_request(identifier), NOW + MINUTE)
    assert await last_seen() == NOW + MINUTE
    assert touched is not None
    assert touched.idle_expires == NOW + MINUTE + BROWSER_IDLE
    assert await sessions.read(make_request(identifier), NOW + MINUTE) == touched


async def test_end_all_but_one_and_listing(database: Database) -> None:
    recorder = RecordingHooks()
    sessions = Sessions(database, CookieSettings(), recorder.hooks())
    own = [(await signed_in(sessions, now=NOW + number))[1] for number in range(3)]
    _, stranger = await signed_in(sessions, SessionLogin(user=9, who={"pk": 9}, auth_method="password"))
    assert [one.pk for one in await sessions.list(7, NOW + 5)] == [one.pk for one in reversed(own)]
    recorder.seen.clear()
    assert await sessions.end_all(7, now=NOW + 5, but=own[0].key) == 2
    assert {key for what, key in recorder.seen} == {own[1].key, own[2].key}
    assert [one.key for one in await sessions.list(7, NOW + 5)] == [own[0].key]
    assert not await sessions.end_one(9, own[0].pk, now=NOW + 5)
    assert await sessions.end_one(7, own[0].pk, now=NOW + 5)
    assert [one.key for one in await sessions.list(9, NOW + 5)] == [stranger.key]
    await database.write(lambda: run([repository.end_of_user(9)]))
    assert await sessions.list(9, NOW + 5) == []


async def test_data_is_replaced_unless_the_session_is_gone(sessions: Sessions) -> None:
    identifier, session = await signed_in(sessions)
    request = make_request(identifier)
    updated = await sessions.replace_data(request, session, {"seen": [1, 2]})
    assert updated.data == {"seen": [1, 2]}
    assert await sessions.read(request, NOW) == updated
    assert await sessions.read(make_request(identifier), NOW) == updated
    await sessions.end(request, session, now=NOW)
    with pytest.raises(SessionGone):
        await sessions.replace_data(request, session, {})


async def test_expired_sessions_end_with_their_hooks(sessions: Sessions, database: Database) -> None:
    _, expired = await signed_in(sessions)
    identifier, _ = await signed_in(sessions, now=NOW + HOUR)
    ended: list[bytes] = []

    def hook(key: bytes, _now: int) -> list[Statement]:
        ended.append(key)
        return [Statement("SELECT 1 AS x")]

    assert await end_expired(database, [hook], NOW + BROWSER_IDLE) == 1
    assert ended == [expired.key]
    row = await fetch_one(database, "SELECT COUNT(*) AS n FROM session")
    assert row is not None
    assert row["n"] == 1
    assert await sessions.read(make_request(identifier), NOW + HOUR) is not None


async def test_any_number_of_sessions_expires_in_bounded_batches(sessions: Sessions, database: Database) -> None:
    for _ in range(AT_ONCE + 3):
        await sessions.ensure(make_request(None), NOW)
    assert await end_expired(database, [lambda _key, _now: []], NOW + 2 * DAY) == AT_ONCE + 3
    assert await end_expired(database, [lambda _key, _now: []], NOW + 2 * DAY) == 0


async def test_a_session_used_again_is_not_expired(sessions: Sessions, database: Database) -> None:
    _, session = await signed_in(sessions)
    late = NOW + BROWSER_IDLE
    assert await repository.expired_keys(database, late, most=9) == [session.key]
    await database.write(lambda: run([Statement("UPDATE session SET idle_expires = ?", (late + HOUR,))]))
    await database.write(lambda: run([repository.remove_expired(session.key, late)]))
    row = await fetch_one(database, "SELECT COUNT(*) AS n FROM session")
    assert row is not None
    assert row["n"] == 1


async def test_the_own_session_survives_a_password_change(sessions: Sessions, database: Database) -> None:
    _, mine = await signed_in(sessions)
    await signed_in(sessions)
    await database.write(lambda: run([repository.end_of_user(7, but=mine.key)]))
    assert [one.key for one in await sessions.list(7, NOW)] == [mine.key]
    await database.write(lambda: run([repository.end_of_user(7)]))
    assert await sessions.list(7, NOW) == []


async def test_expiry_is_enforced_by_the_statement_itself(sessions: Sessions, database: Database) -> None:
    _, session = await signed_in(sessions)
    sql = "SELECT 1 AS x FROM session WHERE key = ? AND expires > ? AND idle_expires > ?"
    assert await database.fetch(sql, session.key, session.idle_expires, session.idle_expires) == []
    assert await repository.load(database, session.key, session.idle_expires) is None
    assert not session.alive(session.idle_expires)


async def test_hot_statements_use_an_index(database: Database) -> None:
    key = b"k" * 32
    plans = [
        await explain(database, "SELECT pk FROM session WHERE key = ? AND expires > 1 AND idle_expires > 1", key),
        await explain(database, "UPDATE session SET last_seen = 1 WHERE key = ?", key),
        await explain(database, "SELECT key FROM session WHERE user_pk = 7"),
        await explain(database, "DELETE FROM session WHERE idle_expires <= 5"),
    ]
    for plan in plans:
        assert "ndex" in plan.replace("INDEX", "index"), plan
        assert "SCAN" not in plan.replace("Index Scan", "").replace("Bitmap", "").replace("Heap Scan", ""), plan


async def test_last_seen_is_corrected_after_the_clock_was_set_back(sessions: Sessions) -> None:
    identifier, _ = await signed_in(sessions)
    ahead = await sessions.read(make_request(identifier), NOW + 60 * MINUTE)
    assert ahead is not None
    assert ahead.last_seen == NOW + 60 * MINUTE
    back = await sessions.read(make_request(identifier), NOW + MINUTE)
    assert back is not None
    assert (back.last_seen, back.idle_expires) == (NOW + MINUTE, NOW + MINUTE + BROWSER_IDLE)
    stored = await sessions.read(make_request(identifier), NOW + MINUTE)
    assert stored == back
