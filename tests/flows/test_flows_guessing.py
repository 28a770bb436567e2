"""A34, A42: guesses at passwords, many at once or for ever; and the people who are meant by them."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from flows_world import PASSWORD, SECOND, Client, World, default_flow

from ostiary.directory.attempts import ACCOUNT_LIMIT
from ostiary.flows.proofs.known_browser import COOKIE, MAX_ACCOUNTS, give, known_browser, name_for, remember
from ostiary.seal import Secret
from ostiary.web.request import Request
from ostiary.web.response import Response

KEY = Secret("a key")
DAY = 86_400 * SECOND


def stranger(world: World, number: int) -> Client:
    return Client(world, address=f"203.0.{number // 250}.{number % 250 + 1}")


async def at_password(client: Client, name: str = "jo") -> Client:
    await client.get()
    await client.answer(component="ak-stage-identification", uid_field=name)
    return client


async def lock(world: World, name: str = "jo") -> None:
    for number in range(ACCOUNT_LIMIT):
        client = await at_password(stranger(world, number + 500), name)
        assert (await client.post(component="ak-stage-password", password="wrong")).status == 200


async def test_a34_of_many_guesses_at_once_ten_are_judged_and_the_right_one_last_is_not(world: World) -> None:
    default_flow(world)
    await world.user()
    clients = [await at_password(stranger(world, number)) for number in range(30)]
    guesses = ["wrong"] * 29 + [PASSWORD]
    answers = await asyncio.gather(
        *(one.post(component="ak-stage-password", password=text) for one, text in zip(clients, guesses, strict=True))
    )
    assert Counter(one.status for one in answers) == {200: ACCOUNT_LIMIT, 429: 20}
    assert answers[-1].status == 429
    assert (await clients[-1].session()).user is None


async def test_a_stranger_does_not_lock_out_the_owner(world: World) -> None:
    """By a browser they signed in with before, or from where they did; not by anything that can be copied."""
    default_flow(world)
    await world.user()
    owner = Client(world, address="192.0.2.10")
    await owner.sign_in()
    assert COOKIE in owner.cookies
    await lock(world)
    elsewhere = Client(world, address="192.0.2.77", cookies={COOKIE: owner.cookies[COOKIE]})
    assert (await elsewhere.sign_in())["component"] == "xak-flow-redirect"
    at_home = Client(world, address="192.0.2.10")
    assert (await at_home.sign_in())["component"] == "xak-flow-redirect"
    unknown = await at_password(Client(world, address="192.0.2.99"))
    assert (await unknown.post(component="ak-stage-password", password=PASSWORD)).status == 429
    forged = owner.cookies[COOKIE][:-1] + ("0" if owner.cookies[COOKIE][-1] != "0" else "1")
    unknown = await at_password(Client(world, address="192.0.2.99", cookies={COOKIE: forged}))
    assert (await unknown.post(component="ak-stage-password", password=PASSWORD)).status == 429


async def test_a42_a_locked_name_reads_the_same_whether_somebody_has_it(world: World) -> None:
    default_flow(world)
    await world.user()
    seen = []
    for name in ("jo", "nobody"):
        await lock(world, name)
        client = await at_password(Client(world, address="192.0.2.99"), name)
        answer = await client.post(component="ak-stage-password", password=PASSWORD)
        seen.append((answer.status, answer.body, answer.header("retry-after")))
    assert seen[0] == seen[1]
    assert seen[0][0] == 429
    client = await at_password(Client(world, address="192.0.2.99"), "jo@example.org")
    shown = await client.answer(component="ak-stage-password", password="wrong")
    assert shown["response_errors"]["password"][0]["string"] == "Invalid password", "whose address it is is not told"


async def test_set_password_lifts_the_lock(world: World) -> None:
    default_flow(world)
    await world.user()
    await lock(world)
    await world.accounts.set_password("jo", Secret("another horse battery"), now=world.now)
    assert (await Client(world).sign_in(password="another horse battery"))["component"] == "xak-flow-redirect"


def browser(value: str) -> Request:
    return Request(headers={"cookie": f"{COOKIE}={value}"})


def given(request: Request) -> str:
    """Return the value of the cookie that the answer carries, "" when it carries none."""
    response = Response(200)
    give(request, response)
    return dict(response.headers).get("set-cookie", "").partition(";")[0].removeprefix(f"{COOKIE}=")


async def test_the_cookie_of_a_browser(small_world: World) -> None:
    people = [await small_world.user(f"u{number}") for number in range(MAX_ACCOUNTS + 1)]
    now = small_world.now
    request = browser("")
    remember(request, people[0], KEY, duration=30 * DAY, now=now)
    first = given(request)
    found = known_browser(browser(first), KEY, now)
    assert found is not None
    assert name_for(found, people[0], KEY) == found.name
    assert name_for(found, people[1], KEY) is None
    assert name_for(found, None, KEY) is None
    assert name_for(None, people[0], KEY) is None
    value = first
    for person in people:
        request = browser(value)
        remember(request, person, KEY, duration=30 * DAY, now=now)
        value = given(request)
    last = known_browser(browser(value), KEY, now)
    assert last is not None
    assert last.name == found.name, "one browser, whoever signs in"
    assert [name_for(last, one, KEY) is not None for one in people] == [False] + [True] * MAX_ACCOUNTS
    assert people[0].uuid not in value
    untouched = browser("")
    remember(untouched, people[0], KEY, duration=0, now=now)
    assert given(untouched) == ""


async def test_a_cookie_of_a_browser_that_is_not_ours_or_over(small_world: World) -> None:
    user, now = await small_world.user(), small_world.now
    request = browser("")
    remember(request, user, KEY, duration=30 * DAY, now=now)
    value = given(request)
    assert known_browser(browser(value), KEY, now + 30 * DAY) is None
    assert known_browser(browser(value), Secret("another key"), now) is None
    assert known_browser(browser(value), KEY, now - 400 * DAY) is None, "a clock that was wrong made it"
    for position in range(0, len(value), 7):
        changed = value[:position] + ("a" if value[position] != "a" else "b") + value[position + 1 :]
        assert known_browser(browser(changed), KEY, now) is None
    for text in ("", "x", "....", value + ".", value.replace(".", "-"), "é" * 30):
        assert known_browser(browser(text), KEY, now) is None


@pytest.mark.parametrize("known", [True, False])
async def test_the_cookie_comes_with_the_sign_in_and_not_with_the_password(world: World, *, known: bool) -> None:
    default_flow(world, not_configured_action="skip" if known else "deny")
    await world.user()
    client = Client(world)
    await client.sign_in()
    assert (COOKIE in client.cookies) is known
