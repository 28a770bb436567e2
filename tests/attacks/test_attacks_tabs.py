"""Several tabs of one browser: each page leads to what its own tab asked for, whatever happens beside it."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from attacks_house import LOGIN, PASSWORD, Answer, House, open_house

from ostiary.flows.plans.repository import MAX_PLANS
from ostiary.flows.resources import Flow
from ostiary.store.database import Batch, Statement
from ostiary.store.workspace.editor import Workspace

ASKING = "default-provider-authorization-explicit-consent"
FIELD = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)"')
ACTION = re.compile(r'<form method="post" action="([^"]*)"')
ONWARD = re.compile(r'<a class="button" href="([^"]*)" data-continue')
TURN_BACK = re.compile(r'<a class="small" href="([^"]*)"[^>]*>Not you')


def authorize(name: str, **changes: str) -> str:
    values = {"client_id": name, "redirect_uri": f"https://{name}.example.org/cb", "response_type": "code"}
    return "/application/o/authorize/?" + urlencode({**values, "scope": "openid", "state": f"of-{name}", **changes})


class Tab:
    """One tab of the browser that `house` keeps the cookies of."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.url = ""
        self.text = ""
        self.left_for = ""  # the address outside where it ended

    async def open(self, url: str) -> Tab:
        return await self._arrive(await self.house.call("GET", url), url)

    async def reload(self) -> Tab:
        return await self.open(self.url)

    async def send(self, **typed: str) -> Tab:
        found = ACTION.search(self.text)
        assert found is not None, self.text
        hidden = {html.unescape(name): html.unescape(value) for name, value in FIELD.findall(self.text)}
        action = html.unescape(found[1])
        return await self._arrive(await self.house.call("POST", action, form={**hidden, **typed}), action)

    async def sign_in(self, name: str) -> Tab:
        await self.send(uid_field=name)
        return await self.send(password=PASSWORD)

    async def turn_back(self) -> Tab:
        found = TURN_BACK.search(self.text)
        assert found is not None, self.text
        return await self.open(html.unescape(found[1]))

    async def _arrive(self, answer: Answer, url: str) -> Tab:
        for _ in range(12):
            to = answer.header("location")
            onward = ONWARD.search(answer.body.decode())
            if to is None and onward is not None:
                to = html.unescape(onward[1])
            if to is None:
                self.url, self.text = url, answer.body.decode()
                assert answer.status == 200, (answer.status, self.text)
                return self
            if to.startswith("https://"):
                self.left_for = to
                return self
            url = to
            answer = await self.house.call("GET", url)
        raise AssertionError(f"a circle of redirects, last {url}")

    @property
    def application(self) -> str:
        """Return the name of the application the tab went to with a code of its own request."""
        parts = urlsplit(self.left_for)
        name = (parts.hostname or "").removesuffix(".example.org")
        query = parse_qs(parts.query)
        assert "code" in query, self.left_for
        assert query["state"] == [f"of-{name}"]
        return name


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    opened = await open_house(tmp_path)
    for person in ("ada", "eve"):
        await opened.user(person)
    for name in ("wiki", "maps"):
        await application(opened, name)
    yield opened
    await opened.close()


async def application(house: House, name: str, **values: object) -> None:
    address = [{"matching_mode": "strict", "url": f"https://{name}.example.org/cb"}]
    await house.application(name, redirect_uris=address, **values)


async def with_consent(house: House) -> None:
    flow = house.core.plane.snapshot.find(Flow, slug=ASKING)
    assert flow is not None
    for name in ("books", "games"):
        await application(house, name, authorization_flow=flow.pk)


async def execute(house: House, sql: str) -> None:
    def batch() -> Batch[None]:
        yield Statement(sql)

    await house.core.database.write(batch)


async def count(house: House, table: str) -> int:
    return int((await house.core.database.fetch(f"SELECT COUNT(*) AS n FROM {table}"))[0]["n"])


async def test_two_tabs_each_lead_to_their_own_application(house: House) -> None:
    wiki = await Tab(house).open(authorize("wiki"))
    maps = await Tab(house).open(authorize("maps"))
    assert parse_qs(urlsplit(wiki.url).query)["next"][0].startswith("/application/o/authorize/?client_id=wiki&")
    assert "Sign in to continue to wiki" in wiki.text
    assert "Sign in to continue to maps" in maps.text
    assert (await wiki.sign_in("ada")).application == "wiki"
    assert (await maps.reload()).application == "maps"


async def test_the_form_of_a_tab_left_open_leads_where_it_said(house: House) -> None:
    wiki = await Tab(house).open(authorize("wiki"))
    maps = await Tab(house).open(authorize("maps"))
    assert (await maps.sign_in("ada")).application == "maps"
    assert (await wiki.send(uid_field="ada")).application == "wiki"


async def test_a_half_filled_tab_goes_on_beside_another(house: House) -> None:
    wiki = await (await Tab(house).open(authorize("wiki"))).send(uid_field="ada")
    maps = await (await Tab(house).open(authorize("maps"))).send(uid_field="eve")
    assert "ada" in (await wiki.reload()).text
    assert (await maps.send(password=PASSWORD)).application == "maps"


async def test_a_page_without_a_destination_does_not_take_another_tabs(house: House) -> None:
    await Tab(house).open(authorize("wiki"))
    plain = await Tab(house).open("/if/user/")
    assert "Sign in to continue" not in plain.text
    await plain.sign_in("ada")
    assert (urlsplit(plain.url).path, plain.left_for) == ("/if/user/", "")


@pytest.mark.parametrize("loss", ["cookie", "plan", "both"])
@pytest.mark.parametrize("half_way", [False, True])
async def test_what_is_lost_starts_again_towards_the_application(house: House, loss: str, half_way: bool) -> None:
    tab = await Tab(house).open(authorize("wiki", prompt="login", login_hint="ada"))
    if half_way:
        await tab.send(password="wrong one")
    if loss in {"cookie", "both"}:
        house.cookies.clear()
    if loss in {"plan", "both"}:
        await execute(house, "DELETE FROM flow_tab_plan")
    await tab.send(password=PASSWORD)
    assert "too old" in tab.text or 'name="password"' in tab.text
    assert "ada" in tab.text
    assert (await tab.send(password=PASSWORD)).application == "wiki"  # asked once: prompt=login is met by it


async def test_a_lost_consent_is_asked_again(house: House) -> None:
    await with_consent(house)
    tab = await (await Tab(house).open(authorize("books"))).sign_in("ada")
    assert "books would like" in tab.text
    await execute(house, "DELETE FROM flow_tab_plan")
    assert "books would like" in (await tab.reload()).text
    house.cookies.clear()
    assert "Sign in to continue to books" in (await tab.send()).text
    await tab.sign_in("ada")
    assert (await tab.send()).application == "books"


async def test_what_was_typed_in_one_tab_is_not_filled_in_in_another(house: House) -> None:
    wiki = await Tab(house).open(authorize("wiki"))
    maps = await Tab(house).open(authorize("maps"))
    await maps.send(uid_field=" ")
    await wiki.send(uid_field="x" * 2000)
    assert 'value="xxx' in wiki.text
    assert 'value="xxx' not in (await maps.reload()).text


async def test_two_consents_are_two_questions(house: House) -> None:
    await with_consent(house)
    await (await Tab(house).open(authorize("wiki"))).sign_in("ada")
    books = await Tab(house).open(authorize("books"))
    games = await Tab(house).open(authorize("games"))
    assert (await books.send()).application == "books"
    assert (await games.send()).application == "games"


async def test_a_silent_renewal_leaves_an_open_consent_alone(house: House) -> None:
    await with_consent(house)
    await (await Tab(house).open(authorize("wiki"))).sign_in("ada")
    books = await Tab(house).open(authorize("books"))
    for name in ("games", "books"):
        silent = await house.call("GET", authorize(name, prompt="none"))
        assert "error=consent_required" in (silent.header("location") or "")
    assert await count(house, "flow_tab_plan") == 1
    assert (await books.send()).application == "books"


async def test_not_you_keeps_the_destination_and_the_other_tabs(house: House) -> None:
    wiki = await (await Tab(house).open(authorize("wiki"))).send(uid_field="ada")
    maps = await (await Tab(house).open(authorize("maps"))).send(uid_field="ada")
    assert "Sign in to continue to wiki" in (await wiki.turn_back()).text
    assert 'name="password"' in (await maps.reload()).text
    assert (await wiki.sign_in("eve")).application == "wiki"


async def test_not_you_does_not_believe_the_application_again(house: House) -> None:
    tab = await Tab(house).open(authorize("wiki", login_hint="ada"))
    assert 'name="password"' in tab.text
    assert 'name="uid_field"' in (await tab.turn_back()).text
    assert (await tab.sign_in("eve")).application == "wiki"


async def test_not_you_at_the_consent_lets_somebody_else_sign_in(house: House) -> None:
    await with_consent(house)
    tab = await (await Tab(house).open(authorize("books"))).sign_in("ada")
    assert "books would like" in tab.text
    assert "Sign in to continue to books" in (await tab.turn_back()).text
    await tab.sign_in("eve")
    assert "eve" in tab.text
    assert (await tab.send()).application == "books"


async def test_a_flow_that_lets_nobody_in_says_so_and_leads_in_no_circle(house: House) -> None:
    async def only_root(workspace: Workspace) -> None:
        for slug in (LOGIN, "default-provider-authorization-implicit-consent"):
            flow = await workspace.find("authentik_flows.flow", [("slug", slug)])
            assert flow is not None
            await workspace.update(flow, {"authentication": "require_superuser"})

    await (await Tab(house).open("/if/user/")).sign_in("ada")
    await house.core.editor.edit(only_root, author="test", message="", now=1)
    assert "You cannot use this flow now." in (await Tab(house).open(authorize("wiki"))).text
    assert "You cannot use this flow now." in (await Tab(house).open(authorize("wiki", prompt="login"))).text
    house.cookies.clear()
    assert "You cannot use this flow now." in (await Tab(house).open(authorize("wiki"))).text


@pytest.mark.parametrize("mark", ["x", "+"])
async def test_a_long_request_is_only_named_in_the_address(house: House, mark: str) -> None:
    """Behind a proxy the answer's headers have 4,096 bytes; state and nonce may be longer than that."""
    tabs = {}
    for name in ("wiki", "maps"):
        answer = await house.call("GET", authorize(name, nonce=mark * 7_000))
        address = answer.header("location") or ""
        assert len(address) < 200
        tabs[name] = await Tab(house).open(address)
        assert f"Sign in to continue to {name}" in tabs[name].text
    assert "Sign in to continue to maps" in (await (await tabs["maps"].send(uid_field="ada")).turn_back()).text
    assert (await tabs["wiki"].sign_in("ada")).application == "wiki"
    assert (await tabs["maps"].reload()).application == "maps"


async def test_a_session_keeps_so_many_plans(house: House) -> None:
    """Everybody may begin a flow: what one session leaves behind is bounded."""
    tab = await Tab(house).open(authorize("wiki"))
    for number in range(MAX_PLANS + 8):
        await Tab(house).open(authorize("maps", state=str(number)))
    assert await count(house, "flow_tab_plan") <= MAX_PLANS + 1
    assert "Sign in to continue to wiki" in (await tab.reload()).text  # begun again, from its address


@pytest.mark.parametrize(
    "changes", [{"next": "https://evil.example/"}, {"next": "//evil.example/"}, {"next": "/\\evil.example/"}]
)
async def test_an_address_of_another_place_is_not_followed(house: House, changes: Mapping[str, str]) -> None:
    tab = await Tab(house).open(f"/if/flow/{LOGIN}/?{urlencode(changes)}")
    await tab.sign_in("ada")
    assert tab.left_for == ""
    assert "Invalid next URL" in tab.text
    again = await house.call("GET", f"/if/flow/{ASKING}/?{urlencode(changes)}")
    assert "evil" not in (again.header("location") or "")


async def test_programs_that_drop_the_query_go_on_where_they_were(house: House) -> None:
    """authentik keeps one plan in the session: programs that send `query=` empty reach their application there."""
    await house.call("GET", authorize("wiki"))
    await house.reply(component="ak-stage-identification", uid_field="ada")  # its challenge was shown by authorize
    assert (await house.flow())["component"] == "ak-stage-password"
    await house.reply(component="ak-stage-password", password=PASSWORD)
    to = (await house.flow())["to"]
    assert to.startswith("/application/o/authorize/?client_id=wiki&")
