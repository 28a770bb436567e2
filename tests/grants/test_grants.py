"""Codes and tokens on both databases, sequentially and concurrently."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from ostiary.grants.access_tokens import AccessToken, find_access, insert_access, revoke_access
from ostiary.grants.authorization_codes import MAX_GUESSES, Code, Mismatch, issue_code, use_code
from ostiary.grants.cascades import SWEEPS, on_session_end, on_session_moved, on_user_disabled
from ostiary.grants.counters import SKEW, hit
from ostiary.grants.device_codes import DeviceGrant, Poll, begin_device, poll_device
from ostiary.grants.errors import GrantGone, Raced
from ostiary.grants.family import Authorization, insert_family
from ostiary.grants.refresh_tokens import (
    GRACE,
    NewRefresh,
    RefreshToken,
    Use,
    find_refresh,
    revoke_family,
    rotate,
    store_first_tokens,
    store_without_rotation,
)
from ostiary.sessions.session import Session
from ostiary.store.database import Database, Statement
from ostiary.store.hashing import new_token, token_hash
from ostiary.store.single_use import Fresh, Replayed, Unknown
from ostiary.store.workspace.commit import run

NOW = 1_700_000_000_000_000
HOUR = 3_600_000_000
SESSION = b"s" * 32


def authorization(**changes: object) -> Authorization:
    defaults = Authorization(
        family=new_token(128),
        provider=1,
        user=7,
        session=SESSION,
        offline=True,
        scope=("openid", "offline_access"),
        nonce="n",
        auth_time=NOW,
        amr=("pwd",),
        sid="sid",
        sub="sub",
    )
    return replace(defaults, **changes)  # type: ignore[arg-type]


def access_of(item: Authorization, *, now: int = NOW) -> AccessToken:
    return AccessToken(
        hash=token_hash(new_token()),
        family=item.family,
        provider=item.provider,
        user=item.user,
        session=item.session,
        scope=item.scope,
        issued=now,
        expires=now + HOUR,
    )


def new_refresh(text: str | None = None, *, now: int = NOW) -> NewRefresh:
    return NewRefresh(hash=token_hash(text or new_token()), expires=now + 24 * HOUR)


async def write(database: Database, *statements: Statement) -> None:
    await database.write(lambda: run(statements))


async def start_family(database: Database, item: Authorization) -> tuple[bytes, bytes]:
    """Store a family with one refresh and one access token. Returns their hashes."""
    access, refresh = access_of(item), new_refresh()
    await write(database, insert_family(item, now=NOW, expires=NOW + HOUR))
    await database.write(lambda: store_first_tokens(item, access=access, refresh=refresh, expires=refresh.expires))
    return refresh.hash, access.hash


async def find(database: Database, hashed: bytes) -> RefreshToken:
    token = await find_refresh(database, hashed)
    assert token is not None
    return token


async def refresh_with(database: Database, hashed: bytes, *, now: int) -> bytes:
    """Use a refresh token as the endpoint does. Returns the successor's hash. Raises Raced."""
    token = await find(database, hashed)
    use = token.use(now)
    assert use in {Use.FIRST, Use.AGAIN}, use
    refresh, access = new_refresh(now=now), access_of(token.authorization, now=now)
    await database.write(lambda: rotate(token, use=use, access=access, refresh=refresh, now=now))
    return refresh.hash


def matches(_: Code) -> None:
    """Accept any request."""


def code_of(item: Authorization) -> Code:
    return Code(authorization=item, redirect_uri="https://a/b", challenge="c", challenge_method="S256")


class TestCode:
    async def test_a_code_is_consumed_once_with_all_its_members(self, database: Database) -> None:
        code = code_of(authorization())
        await write(database, *issue_code(b"h", code, now=NOW, expires=NOW + HOUR))
        assert await database.write(lambda: use_code(b"h", mismatch=matches, now=NOW + 1)) == Fresh(
            code, code.authorization.family
        )
        assert await database.write(lambda: use_code(b"h", mismatch=matches, now=NOW + 2)) == Replayed(
            code.authorization.family
        )
        assert await database.write(lambda: use_code(b"h", mismatch=matches, now=NOW + HOUR)) == Unknown()

    async def test_it_expires(self, database: Database) -> None:
        await write(database, *issue_code(b"h", code_of(authorization()), now=NOW, expires=NOW + 1))
        assert await database.write(lambda: use_code(b"h", mismatch=matches, now=NOW + 1)) == Unknown()

    async def test_a09_a_mismatched_request_changes_nothing(self, database: Database) -> None:
        code = code_of(authorization())
        wrong = Mismatch(ValueError("another client"))
        await write(database, *issue_code(b"h", code, now=NOW, expires=NOW + HOUR))
        for _ in range(MAX_GUESSES + 1):
            assert await database.write(lambda: use_code(b"h", mismatch=lambda _: wrong, now=NOW + 1)) == wrong
        assert isinstance(await database.write(lambda: use_code(b"h", mismatch=matches, now=NOW + 1)), Fresh)
        assert await database.write(lambda: use_code(b"h", mismatch=lambda _: wrong, now=NOW + 1)) == wrong
        second = await database.write(lambda: use_code(b"h", mismatch=matches, now=NOW + 2))
        assert second == Replayed(code.authorization.family)

    async def test_a09_wrong_verifiers_are_counted(self, database: Database) -> None:
        await write(database, *issue_code(b"h", code_of(authorization()), now=NOW, expires=NOW + HOUR))
        error = ValueError("another verifier")

        async def guess() -> object:
            return await database.write(
                lambda: use_code(b"h", mismatch=lambda _: Mismatch(error, guess=True), now=NOW + 1)
            )

        answers = [await guess() for _ in range(MAX_GUESSES)]
        assert [isinstance(one, Mismatch) and one.spent for one in answers] == [False] * (MAX_GUESSES - 1) + [True]
        assert isinstance(await database.write(lambda: use_code(b"h", mismatch=matches, now=NOW + 1)), Replayed)

    async def test_a09_of_fifty_at_once_one_is_fresh(self, database: Database) -> None:
        item = authorization()
        await write(database, *issue_code(b"h", code_of(item), now=NOW, expires=NOW + HOUR))
        answers = await asyncio.gather(
            *(database.write(lambda: use_code(b"h", mismatch=matches, now=NOW + 1)) for _ in range(50))
        )
        assert sum(isinstance(answer, Fresh) for answer in answers) == 1
        assert answers.count(Replayed(item.family)) == 49

    async def test_a09_a_replay_before_the_tokens_are_stored_leaves_none(self, database: Database) -> None:
        item = authorization()
        await write(database, *issue_code(b"h", code_of(item), now=NOW, expires=NOW + HOUR))
        await database.write(lambda: revoke_family(item.family))
        access = access_of(item)
        with pytest.raises(GrantGone):
            await database.write(lambda: store_first_tokens(item, access=access, refresh=None, expires=NOW + HOUR))
        assert await find_access(database, access.hash, now=NOW) is None


class TestAccess:
    async def test_found_until_it_expires(self, database: Database) -> None:
        item = authorization()
        _, hashed = await start_family(database, item)
        token = await find_access(database, hashed, now=NOW)
        assert token is not None
        assert (token.user, token.provider, token.scope, token.session) == (7, 1, item.scope, SESSION)
        assert await find_access(database, hashed, now=NOW + HOUR) is None

    async def test_a16_only_its_client_can_revoke_it(self, database: Database) -> None:
        _, hashed = await start_family(database, authorization())
        await write(database, revoke_access(hashed, provider=2))
        assert await find_access(database, hashed, now=NOW) is not None
        await write(database, revoke_access(hashed, provider=1))
        assert await find_access(database, hashed, now=NOW) is None


class TestRotation:
    async def test_each_use_creates_a_successor(self, database: Database) -> None:
        first, _ = await start_family(database, authorization())
        second = await refresh_with(database, first, now=NOW + HOUR)
        third = await refresh_with(database, second, now=NOW + 2 * HOUR)
        assert (await find(database, third)).use(NOW + 2 * HOUR) is Use.FIRST
        assert (await find(database, second)).use(NOW + 3 * HOUR) is Use.REUSED

    async def test_a_retry_after_a_lost_response_succeeds_in_the_grace_period(self, database: Database) -> None:
        first, _ = await start_family(database, authorization())
        first_successor = await refresh_with(database, first, now=NOW)
        second_successor = await refresh_with(database, first, now=NOW + GRACE)
        assert (await find(database, first)).use(NOW + GRACE + 1) is Use.REUSED
        await refresh_with(database, second_successor, now=NOW + HOUR)
        assert (await find(database, first_successor)).use(NOW + HOUR) is Use.REUSED, "of siblings only one stays valid"

    async def test_a19_no_grace_once_a_successor_was_used(self, database: Database) -> None:
        first, _ = await start_family(database, authorization())
        second = await refresh_with(database, first, now=NOW)
        await refresh_with(database, second, now=NOW + 1)
        assert (await find(database, first)).use(NOW + 2) is Use.REUSED

    async def test_expired(self, database: Database) -> None:
        first, _ = await start_family(database, authorization())
        assert (await find(database, first)).use(NOW + 24 * HOUR) is Use.EXPIRED

    async def test_a19_revoking_a_family_revokes_all_its_tokens(self, database: Database) -> None:
        item = authorization()
        first, access = await start_family(database, item)
        second = await refresh_with(database, first, now=NOW)
        await database.write(lambda: revoke_family(item.family))
        for hashed in (first, second):
            assert await find_refresh(database, hashed) is None
        assert await find_access(database, access, now=NOW) is None

    async def test_a19_a_rotation_after_the_revocation_is_refused(self, database: Database) -> None:
        item = authorization()
        first, _ = await start_family(database, item)
        token = await find(database, first)
        await database.write(lambda: revoke_family(item.family))
        with pytest.raises(Raced):
            await database.write(
                lambda: rotate(token, use=Use.FIRST, access=access_of(item), refresh=new_refresh(), now=NOW)
            )

    async def test_without_rotation_the_token_stays(self, database: Database) -> None:
        first, _ = await start_family(database, authorization())
        token = await find(database, first)
        await database.write(lambda: store_without_rotation(token, access=access_of(token.authorization)))
        assert (await find(database, first)).use(NOW + 1) is Use.FIRST
        await refresh_with(database, first, now=NOW + 1)
        with pytest.raises(Raced):
            await database.write(lambda: store_without_rotation(token, access=access_of(token.authorization)))

    async def test_a19_of_fifty_concurrent_uses_one_rotates_the_token(self, database: Database) -> None:
        first, _ = await start_family(database, authorization())
        token = await find(database, first)

        async def attempt() -> bytes | None:
            refresh = new_refresh()
            try:
                await database.write(
                    lambda: rotate(
                        token, use=Use.FIRST, access=access_of(token.authorization), refresh=refresh, now=NOW
                    )
                )
            except Raced:
                return None
            return refresh.hash

        winners = [one for one in await asyncio.gather(*(attempt() for _ in range(50))) if one is not None]
        assert len(winners) == 1

    async def test_a19_of_fifty_siblings_one_stays_valid(self, database: Database) -> None:
        first, _ = await start_family(database, authorization())
        siblings = [await refresh_with(database, first, now=NOW) for _ in range(50)]
        tokens = [await find(database, one) for one in siblings]

        async def attempt(token: RefreshToken) -> bytes | None:
            refresh = new_refresh()
            try:
                await database.write(
                    lambda: rotate(
                        token, use=Use.FIRST, access=access_of(token.authorization), refresh=refresh, now=NOW + 1
                    )
                )
            except Raced:
                return None
            return refresh.hash

        winners = [one for one in await asyncio.gather(*map(attempt, tokens)) if one is not None]
        assert len(winners) == 1
        assert (await find(database, winners[0])).use(NOW + 2) is Use.FIRST
        uses = [(await find(database, one)).use(NOW + 2) for one in siblings]
        assert uses.count(Use.AGAIN) == 1, "the winner, within its grace period"
        assert uses.count(Use.REUSED) == 49


class TestEnding:
    async def test_the_end_of_a_session_revokes_its_tokens(self, database: Database) -> None:
        bound, access = await start_family(database, authorization(offline=False))
        await write(database, *on_session_end(SESSION, NOW))
        assert await find_access(database, access, now=NOW) is None
        assert await find_refresh(database, bound) is None

    async def test_offline_access_survives_the_session(self, database: Database) -> None:
        free, access = await start_family(database, authorization())
        await write(database, *on_session_end(SESSION, NOW))
        assert await find_access(database, access, now=NOW) is None
        token = await find(database, free)
        assert token.authorization.session is None
        await refresh_with(database, free, now=NOW + 1)

    @pytest.mark.parametrize("offline", [True, False])
    async def test_a_code_of_an_ended_session_yields_no_tokens(self, database: Database, offline: bool) -> None:
        item = authorization(offline=offline)
        await write(database, insert_family(item, now=NOW, expires=NOW + HOUR))
        await write(database, *on_session_end(SESSION, NOW))
        with pytest.raises(GrantGone):
            await database.write(
                lambda: store_first_tokens(item, access=access_of(item), refresh=None, expires=NOW + HOUR)
            )

    async def test_other_sessions_and_users_keep_their_tokens(self, database: Database) -> None:
        refresh, access = await start_family(database, authorization())
        await write(database, *on_session_end(b"other", NOW), *on_user_disabled(8))
        assert await find_access(database, access, now=NOW) is not None
        assert (await find(database, refresh)).authorization.session == SESSION

    async def test_a58_disabling_a_user_revokes_all_tokens(self, database: Database) -> None:
        refresh, access = await start_family(database, authorization())
        await write(database, *on_user_disabled(7))
        assert await find_access(database, access, now=NOW) is None
        assert await find_refresh(database, refresh) is None

    async def test_tokens_move_with_a_session_of_the_same_user_only(self, database: Database) -> None:
        refresh, access = await start_family(database, authorization())
        old = session(SESSION, user=7)
        await write(database, *on_session_moved(old, session(b"n" * 32, user=8)))
        assert (await find(database, refresh)).authorization.session == SESSION
        await write(database, *on_session_moved(old, session(b"n" * 32, user=7)))
        assert (await find(database, refresh)).authorization.session == b"n" * 32
        await write(database, *on_session_end(b"n" * 32, NOW))
        assert await find_access(database, access, now=NOW) is None

    async def test_expired_rows_are_swept(self, database: Database) -> None:
        refresh, _ = await start_family(database, authorization())
        await write(database, *(sweep(NOW + HOUR) for sweep in SWEEPS))
        assert await find_refresh(database, refresh) is not None
        await write(database, *(sweep(NOW + 24 * HOUR) for sweep in SWEEPS))
        assert await find_refresh(database, refresh) is None
        for table in ("access_token", "refresh_token", "grant_family"):
            assert not await database.fetch(f"SELECT 1 FROM {table}")


def session(key: bytes, *, user: int | None) -> Session:
    return Session(
        key=key, pk="p", created=NOW, last_seen=NOW, expires=NOW, idle_expires=NOW, idle=0, persistent=False, user=user
    )


async def test_concurrent_look_ups_of_tokens(database: Database) -> None:
    one = AccessToken(
        hash=token_hash("one"), family=None, provider=1, user=2, session=None, scope=("openid",), issued=NOW,
        expires=NOW + HOUR,
    )  # fmt: skip
    await database.write(lambda: run([insert_access(one)]))
    tokens = await asyncio.gather(*(find_access(database, token_hash(text), now=NOW) for text in ("one", "no") * 8))
    assert tokens == [one, None] * 8


async def test_hot_statements_use_an_index(sqlite_database: Database) -> None:
    for sql in (
        "SELECT 1 FROM access_token WHERE hash = x'00' AND expires > 1",
        "SELECT 1 FROM refresh_token r JOIN grant_family f ON f.id = r.family WHERE r.hash = x'00'",
        "SELECT 1 FROM refresh_token c WHERE c.family = 'a' AND c.parent = x'00'",
        "DELETE FROM access_token WHERE session = x'00'",
        "DELETE FROM grant_family WHERE session = x'00' AND offline = 0",
        "DELETE FROM access_token WHERE family = 'a'",
        "DELETE FROM refresh_token WHERE user_pk = 1",
    ):
        plan = " ".join(str(row["detail"]) for row in await sqlite_database.fetch(f"EXPLAIN QUERY PLAN {sql}"))
        assert "INDEX" in plan, (sql, plan)
        assert "SCAN" not in plan, (sql, plan)


@pytest.mark.parametrize("ahead", [HOUR + 120_000_000, 24 * HOUR])
async def test_a_window_of_a_wrong_clock_is_ignored(database: Database, ahead: int) -> None:
    for number in range(5):
        assert await database.write(lambda: hit("x", window=HOUR, now=NOW + ahead)) == number + 1
    assert await database.write(lambda: hit("x", window=HOUR, now=NOW)) == 1
    assert await database.write(lambda: hit("x", window=HOUR, now=NOW - SKEW)) == 2, "the clocks of servers differ"


async def test_a_poll_under_a_wrong_clock_causes_no_wait(database: Database) -> None:
    item = DeviceGrant(
        hash=b"d" * 32, user_hash=b"u" * 32, provider=1, scope=(), issued=NOW, expires=NOW + 2 * HOUR, session=None
    )
    await database.write(lambda: run([begin_device(item)]))
    assert await database.write(lambda: poll_device(item.hash, provider=1, now=NOW + HOUR)) is Poll.PENDING
    assert await database.write(lambda: poll_device(item.hash, provider=1, now=NOW)) is Poll.PENDING
    assert await database.write(lambda: poll_device(item.hash, provider=1, now=NOW)) is Poll.TOO_EARLY
