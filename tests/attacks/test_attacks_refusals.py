"""A68: every refusal is told to operators, with its cause, and within bounds: what people wait for, dead links, outages."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from attacks_house import LOGIN, PASSWORD, Answer, House
from oauth2_rig import SECRET, Rig, basic_header

from ostiary.app.core import clock
from ostiary.directory.attempts import ACCOUNT_LIMIT
from ostiary.directory.tokens import recovery_link
from ostiary.events.outages import MAX_NUMBERS, Outages
from ostiary.events.refusals import ACTION, MAX_WAITING, WINDOW, Refusal, Refusals
from ostiary.events.refusals import MAX_NUMBERS as FEW_NUMBERS
from ostiary.events.repository import Event, EventFilter, Events
from ostiary.events.sentences import sentence
from ostiary.flows.authenticators.totp.authenticator import TotpAuthenticator
from ostiary.store.database import Batch, Database, Reason, Statement, Unavailable
from ostiary.store.workspace.commit import run

MINUTE = 60_000_000


async def told(house: House) -> Sequence[Event]:
    """The refusals, oldest first."""
    return (await Events(house.core.database).search(EventFilter(action=ACTION)))[::-1]


async def the_one(house: House) -> Event:
    (found,) = await told(house)
    return found


async def throttled(house: House, name: str) -> Answer:
    """Type wrong passwords until one has to wait; return that answer."""
    for _ in range(ACCOUNT_LIMIT + 1):
        await house.flow()
        await house.reply(component="ak-stage-identification", uid_field=name)
        if (await house.flow())["component"] != "ak-stage-password":
            continue
        answer = await house.reply(component="ak-stage-password", password="wrong")
        if answer.status == 429:
            return answer
    raise AssertionError("nobody had to wait")


class TestThrottled:
    async def test_a_password_names_the_account(self, house: House) -> None:
        await house.user("ada")
        answer = await throttled(house, "ada")
        before, event = await told(house)
        assert event.user["username"] == "ada"
        assert event.context["error"] == "throttled"
        assert event.context["reason"] == "Too many failed attempts. Wait a little."
        assert event.context["request_id"] == answer.header("x-authentik-id")
        assert event.expires - event.created == 30 * 1440 * MINUTE, "whoever types a name is a stranger all the same"
        assert sentence(event) == (
            f"ada was refused at /api/v3/flows/executor/{LOGIN}/: Too many failed attempts. Wait a little."
        )
        assert sentence(before) == (
            f"ada was refused at flow {LOGIN}, stage default-authentication-password: The password was wrong too many times. Start again."
        )
        assert before.expires - before.created == event.expires - event.created

    async def test_a_name_nobody_has_is_not_told(self, house: House) -> None:
        await throttled(house, "a password, typed into the wrong field")
        events = await told(house)
        assert [event.user for event in events] == [{}, {}]
        assert "wrong field" not in str(events)

    async def test_a_code_names_the_account(self, house: House) -> None:
        user = await house.user("ada")
        kind = house.core.devices.kind(TotpAuthenticator)
        await house.core.database.write(
            lambda: run([kind.add(user=user, name="phone", key=kind.new_key(), now=clock())])
        )
        assert (await house.sign_in("ada"))["component"] == "ak-stage-authenticator-validate"
        errors: list[str] = []
        while "throttled" not in errors:
            answer = await house.reply(component="ak-stage-authenticator-validate", code="000000")
            errors.append(answer.json()["response_errors"]["code"][0]["code"])
            assert len(errors) < 50
        event = await the_one(house)
        assert (event.user["username"], event.context["error"]) == ("ada", "throttled")
        assert event.context["where"] == f"flow {LOGIN}"

    async def test_an_app_password_names_the_account(self, house: House) -> None:
        await house.application()
        await house.user("robot")
        form = {"grant_type": "client_credentials", "client_id": "wiki", "username": "robot", "password": "wrong"}
        answers = [await house.call("POST", "/application/o/token/", form=form) for _ in range(ACCOUNT_LIMIT + 1)]
        assert [one.status for one in answers] == [400] * ACCOUNT_LIMIT + [429]
        wrong, wait = await told(house)
        assert (wrong.user["username"], wrong.context["reason"]) == ("robot", "no such app password of that account")
        assert (wait.user["username"], wait.context["error"]) == ("robot", "throttled")

    async def test_device_codes_of_one_address(self, both: Rig) -> None:
        answer = await both.call("POST", "/application/o/device/", form={"client_id": "wiki"})
        while answer.status != 429:
            answer = await both.call("POST", "/application/o/device/", form={"client_id": "wiki"})
        contexts = [json.loads(row["context"]) for row in await both.events(ACTION)]
        assert "too many device codes for this address" in [one["reason"] for one in contexts]

    async def test_a68_it_is_told_once_in_a_while(self, house: House) -> None:
        await house.user("ada")
        await throttled(house, "ada")
        for _ in range(5):
            assert (await house.reply(component="ak-stage-password", password="wrong")).status == 429
        assert [event.context["error"] for event in await told(house)] == ["access_denied", "throttled"]


async def use_link(house: House, key: str) -> Answer:
    page = await house.call("GET", f"/recovery/use-token/{key}/")
    token = re.search(rb'name="_form_token" value="([^"]+)"', page.body)
    assert token is not None
    return await house.call("POST", f"/recovery/use-token/{key}/", form={"_form_token": token[1].decode()})


async def new_link(house: House, *, ago: int = 0) -> str:
    ada = await house.core.users.by_username("ada")
    assert ada is not None
    key, statement = recovery_link(ada, without_mfa=True, now=clock() - ago)
    await house.core.database.write(lambda: run([statement]))
    return key.reveal()


class TestLinks:
    async def test_a42_one_that_expired_names_the_account_to_operators_only(self, house: House) -> None:
        await house.user("ada")
        key = await new_link(house, ago=120 * MINUTE)
        answer = await use_link(house, key)
        event = await the_one(house)
        assert (answer.status, event.user["username"]) == (404, "ada")
        assert event.context["error"] == "recovery_link"
        assert str(event.context["reason"]).startswith("the link expired at 20")
        assert str(event.context["request_id"]) in answer.body.decode()
        assert key not in str(event)
        assert b"expired" not in answer.body

    async def test_one_that_was_used(self, house: House) -> None:
        await house.user("ada")
        key = await new_link(house)
        assert (await use_link(house, key)).status == 303
        assert (await use_link(house, key)).status == 404
        event = await the_one(house)
        assert event.context["reason"] == "no such link: used before, replaced, or long expired"
        assert event.user == {}

    async def test_one_of_a_disabled_account(self, house: House) -> None:
        pk = await house.user("ada")
        key = await new_link(house)
        off = Statement("UPDATE directory_user SET is_active = 0 WHERE pk = ?", (pk,))  # an edit ends its links as well
        await house.core.database.write(lambda: run([off]))
        assert (await use_link(house, key)).status == 404
        event = await the_one(house)
        assert (event.user["username"], event.context["reason"]) == ("ada", "the account is not active")

    @pytest.mark.parametrize("page", [True, False])
    async def test_that_of_the_first_run(self, house: House, page: bool) -> None:
        if page:
            answer = await house.call("GET", "/if/flow/initial-setup/?token=wrong-one")
            assert answer.status == 403
        else:
            assert (await house.flow("initial-setup", "token=wrong-one"))["component"] == "ak-stage-access-denied"
        event = await the_one(house)
        assert "link is not valid" in str(event.context["reason"])
        assert "wrong-one" not in str(event)

    async def test_a_look_without_a_link_is_no_refusal(self, house: House) -> None:
        assert (await house.call("GET", "/if/flow/initial-setup/")).status == 403
        assert await told(house) == []


async def test_a_form_of_another_site(house: House) -> None:
    answer = await house.call(
        "POST", f"/if/flow/{LOGIN}/", form={"uid_field": "ada"}, headers={"origin": "https://evil.example"}
    )
    assert answer.status == 403
    assert (await the_one(house)).context["error"] == "cross_origin"


async def test_a_wrong_key_at_the_api(house: House) -> None:
    answer = await house.call("GET", "/api/v3/core/users/me/", headers={"authorization": "Bearer secret-abc"})
    assert answer.status == 403
    event = await the_one(house)
    assert event.context["error"] == "authentication_failed"
    assert "secret-abc" not in str(event)


class Away:
    """A database that fails while it is told to."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.dialect = database.dialect
        self.reason: Reason | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def fetch(self, sql: str, *parameters: Any) -> Any:
        self._fail()
        return await self._database.fetch(sql, *parameters)

    async def read(self, batch: Callable[[], Batch[Any]]) -> Any:
        self._fail()
        return await self._database.read(batch)

    async def write(self, batch: Callable[[], Batch[Any]]) -> Any:
        self._fail()
        return await self._database.write(batch)

    def _fail(self) -> None:
        if self.reason is not None:
            raise Unavailable("the driver says so", self.reason)


class TestOutages:
    """Requests answered 503: one event for each reason, when the database takes it."""

    async def test_a_database_that_was_away(self, both: Rig, caplog: pytest.LogCaptureFixture) -> None:
        away = Away(cast("Database", both.database))
        both.database = cast("Any", away)
        await both.restart()
        outages = both.program.service(Outages)
        away.reason = Reason.UNREACHABLE
        form = {"grant_type": "refresh_token", "refresh_token": "x"}
        headers = {"authorization": basic_header("wiki", SECRET)}
        answers = [await both.call("POST", "/application/o/token/", form=form, headers=headers) for _ in range(3)]
        assert [one.status for one in answers] == [503] * 3
        numbers = [str(json.loads(one.body)["request_id"]) for one in answers]
        assert all(any(number in line for line in caplog.messages) for number in numbers), "the log has every one"
        await outages.write(cast("Database", away), now=both.now)
        away.reason = None
        assert await both.events(ACTION) == []
        both.now += 90_000_000
        await outages.write(cast("Database", away), now=both.now)
        await outages.write(cast("Database", away), now=both.now)
        (row,) = await both.events(ACTION)
        context = json.loads(row["context"])
        assert (context["error"], context["requests"]) == ("database_unreachable", 3)
        assert (context["where"], context["request_id"]) == ("/application/o/token/", numbers[0])
        assert context["request_ids"] == numbers
        assert "the driver says so" not in str(context)
        log = Events(cast("Database", away))
        for number in numbers:
            (found,) = await log.search(EventFilter(request=number))
            assert sentence(found) == (
                "somebody was refused at /application/o/token/: The database cannot be reached. Try again shortly;"
                " 3 requests, from 2023-11-14T22:13:20Z to 2023-11-14T22:13:20Z"
            )

    def outage(self, **changes: Any) -> Refusal:
        usual = {"where": "/x", "error": "busy", "reason": "r", "address": "192.0.2.1", "request_id": "1"}
        return Refusal(**{**usual, **changes})

    async def rows(self, database: Database) -> Sequence[Event]:
        return await Events(database).search(EventFilter(action=ACTION))

    async def test_a68_one_event_for_each_reason_in_a_while(self, sqlite_database: Database) -> None:
        outages = Outages()
        for second in range(1_200):
            outages.note(
                self.outage(request_id=f"{second:032x}", address=f"10.0.0.{second % 250}"), now=second * 1_000_000
            )
            await outages.write(sqlite_database, now=second * 1_000_000)
        found = await self.rows(sqlite_database)
        assert len(found) == 2
        assert [one.context["requests"] for one in found] == [WINDOW // 1_000_000] * 2
        assert len(cast("Sequence[str]", found[0].context["request_ids"])) == MAX_NUMBERS

    async def test_an_event_is_completed_by_later_responses(self, sqlite_database: Database) -> None:
        outages = Outages()
        for second, number in enumerate(("a" * 32, "b" * 32, "c" * 32)):
            outages.note(self.outage(request_id=number), now=second * 1_000_000)
            await outages.write(sqlite_database, now=second * 1_000_000)
            (found,) = await Events(sqlite_database).search(EventFilter(request=number))
            assert (found.context["requests"], found.context["request_id"]) == (second + 1, "a" * 32)
        assert (found.context["since"], found.context["until"]) == (
            "1970-01-01T00:00:00.000000Z",
            "1970-01-01T00:00:02.000000Z",
        )

    async def test_a68_codes_that_are_not_ours_take_no_room(self, sqlite_database: Database) -> None:
        outages = Outages()
        for number in range(1_000):
            outages.note(self.outage(error=str(number)), now=0)
        await outages.write(sqlite_database, now=0)
        assert len(await Events(sqlite_database).search(EventFilter(), limit=100)) <= 32

    async def test_the_number_of_each_repetition_leads_to_the_event(self, database: Database) -> None:
        refusals, numbers = Refusals(), [f"{number:032x}" for number in range(4)]
        for number in numbers:
            await refusals.record(database, self.outage(error="e", request_id=number), now=0)
        await refusals.catch_up(database)
        await refusals.record(database, self.outage(error="e", request_id="f" * 32), now=1)
        away = Away(database)
        away.reason = Reason.LOCKED
        await refusals.catch_up(cast("Database", away))
        await refusals.catch_up(database)
        for number in (*numbers, "f" * 32):
            (found,) = await Events(database).search(EventFilter(request=number))
            assert found.context["request_id"] == numbers[0]
        assert await Events(database).search(EventFilter(request="e" * 32)) == []

    def test_a68_an_event_has_few_numbers(self) -> None:
        refusals = Refusals()
        for number in range(1_000):
            refusals.note(self.outage(request_id=str(number)), now=0)
        (told,) = refusals._repeated.values()
        assert len(told.numbers) == FEW_NUMBERS

    async def test_what_happens_while_one_is_written_counts(self, sqlite_database: Database) -> None:
        away, outages = Away(sqlite_database), Outages()
        away.reason = Reason.LOCKED
        outages.note(self.outage(request_id="1"), now=0)
        outages.note(self.outage(request_id="2"), now=1)
        writing = asyncio.create_task(outages.write(cast("Database", away), now=2))
        real = away.write

        async def write(batch: Callable[[], Batch[Any]]) -> Any:
            outages.note(self.outage(request_id="3"), now=2)
            return await real(batch)

        away.write = write  # type: ignore[method-assign]
        await writing
        away.reason = None
        await outages.write(sqlite_database, now=3)
        (found,) = await self.rows(sqlite_database)
        assert (found.context["requests"], found.context["request_ids"]) == (3, ["1", "2", "3"])

    async def test_a_refusal_that_could_not_be_written_is_written_later(self, sqlite_database: Database) -> None:
        away, refusals = Away(sqlite_database), Refusals()
        away.reason = Reason.LOCKED
        await refusals.record(cast("Database", away), self.outage(error="e"), now=0)
        await refusals.catch_up(cast("Database", away))
        away.reason = None
        await refusals.catch_up(cast("Database", away))
        await refusals.catch_up(cast("Database", away))
        assert [one.context["error"] for one in await self.rows(sqlite_database)] == ["e"]

    async def test_a68_few_wait(self, sqlite_database: Database) -> None:
        away, refusals = Away(sqlite_database), Refusals()
        away.reason = Reason.LOCKED
        for number in range(10_000):
            item = self.outage(reason=str(number), address=f"10.0.{number // 200 % 250}.1")
            await refusals.record(cast("Database", away), item, now=number * WINDOW)
        assert len(refusals._waiting) == MAX_WAITING


async def test_a_server_that_is_busy_says_so(house: House) -> None:
    """`busy` needs no database that is away: its event is written within the next second."""
    from ostiary.web.errors import HttpError

    await house.user("ada")
    await house.flow()
    await house.reply(component="ak-stage-identification", uid_field="ada")
    await house.flow()

    async def full(*_: object, **__: object) -> bool:
        raise HttpError(503, "busy", "Too many people are signing in. Try again.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ostiary.flows.proofs.password_check._right_backend", full)
        assert (await house.reply(component="ak-stage-password", password=PASSWORD)).status == 503
    await house.built.services[Outages].write(house.core.database, now=clock())
    assert (await the_one(house)).context["error"] == "busy"
