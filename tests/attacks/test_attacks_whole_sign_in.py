"""A whole sign-in through pages and forms: what each request reads and commits, and what is left when it breaks."""

from __future__ import annotations

import asyncio
import dataclasses
import html
import re
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from attacks_house import CALLBACK, CLIENT_SECRET, LOGIN, PASSWORD, Answer, House, open_house

from ostiary.app.core import build_core, clock
from ostiary.app.metrics import Metrics
from ostiary.app.site import build_site
from ostiary.flows.resources import Flow
from ostiary.store.database import Batch, Database, Row, Statement, Unavailable, Unwatched, Value, Watch
from ostiary.store.workspace.editor import Workspace

AUTHORIZE = "/application/o/authorize/"
ASKING = "default-provider-authorization-explicit-consent"
REQUEST = {
    "client_id": "wiki",
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": "openid email",
    "state": "s",
}
FIELD = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)"')
ACTION = re.compile(r'<form method="post" action="([^"]*)"')
REFRESH = re.compile(r'http-equiv="refresh" content="0; url=([^"]*)"')


class Watched:
    """A database that notes reads and commits, and breaks when told to."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.dialect = database.dialect
        self.reads = 0
        self.commits: list[int] = []  # statements of each
        self.broken = False

    async def fetch(self, sql: str, *parameters: Value) -> Sequence[Row]:
        self.reads += 1
        return await self._database.fetch(sql, *parameters)

    async def read(self, batch: Callable[[], Batch[Any]]) -> Any:
        self.reads += 1
        return await self._database.read(batch)

    async def write(self, batch: Callable[[], Batch[Any]]) -> Any:
        if self.broken:
            raise Unavailable("the power is out")
        count = 0

        def counting() -> Batch[Any]:
            nonlocal count
            count = 0
            work = batch()
            statement: Statement = next(work)
            try:
                while True:
                    count += 1
                    statement = work.send((yield statement))
            except StopIteration as stop:
                return stop.value

        made = await self._database.write(counting)
        self.commits.append(count)
        return made

    async def close(self) -> None:
        await self._database.close()

    def watch(self, tables: str) -> Watch:  # what is kept in memory would not be counted
        assert tables
        return Unwatched()

    def taken(self) -> tuple[int, list[int]]:
        """Return reads and commits since the last time."""
        taken = self.reads, self.commits
        self.reads, self.commits = 0, []
        return taken


@dataclasses.dataclass
class Walk:
    """One person at one browser, page after page."""

    house: House
    watched: Watched
    page: Answer | None = None
    url: str = ""

    async def get(self, url: str) -> Answer:
        self.url = url
        self.page = await self.house.call("GET", url)
        return self.page

    async def post(self, **typed: str) -> Answer:
        """Fill in the form of the page."""
        self.page = await self.house.call("POST", *self.form(typed)[:1], form=self.form(typed)[1])
        return self.page

    def form(self, typed: dict[str, str]) -> tuple[str, dict[str, str]]:
        assert self.page is not None
        text = self.page.body.decode()
        hidden = {html.unescape(name): html.unescape(value) for name, value in FIELD.findall(text)}
        action = ACTION.search(text)
        assert action is not None, text
        return html.unescape(action[1]), {**hidden, **typed}

    async def to_password(self, **changes: str) -> None:
        """Begin, and say who it is."""
        begun = await self.get(authorize(**changes))
        assert (begun.status, page_of(begun)) == (302, f"/if/flow/{LOGIN}/")
        await self.get(begun.header("location") or "")
        named = await self.post(uid_field="ada")
        assert named.status == 303
        await self.get(named.header("location") or "")

    async def to_consent(self, **changes: str) -> None:
        """Go on to the question of the application."""
        await self.to_password(**changes)
        proven = await self.post(password=PASSWORD)
        assert (proven.status, page_of(proven)) == (303, f"/if/flow/{ASKING}/?step=next")
        await self.get(proven.header("location") or "")

    async def refuse_ada(self) -> None:
        """Let only eve use the application."""

        async def work(workspace: Workspace) -> None:
            application = await workspace.find("authentik_core.application", [("slug", "wiki")])
            eve = await self.house.core.users.by_username("eve")
            assert application is not None
            assert eve is not None
            values = {"target": application.pk, "user": eve.pk, "order": 0}
            await workspace.create("authentik_policies.policybinding", values)

        await self.house.core.editor.edit(work, author="test", message="", now=clock())

    async def count(self, table: str, where: str = "1 = 1") -> int:
        rows = await self.house.core.database.fetch(f"SELECT COUNT(*) AS n FROM {table} WHERE {where}")
        return int(rows[0]["n"])


def authorize(**changes: str) -> str:
    return f"{AUTHORIZE}?{urlencode({**REQUEST, **changes})}"


def page_of(answer: Answer) -> str:
    """Return the flow page that is led to, without the `next` that says what comes after it."""
    path, _, query = (answer.header("location") or "").partition("?")
    kept = [(name, value) for name, value in parse_qsl(query) if name != "next"]
    return f"{path}?{urlencode(kept)}" if kept else path


def led_to(answer: Answer) -> str:
    """Return where a page leads by itself."""
    assert answer.status == 200
    found = REFRESH.search(answer.body.decode())
    assert found is not None, answer.body
    return html.unescape(found[1])


def code_of(answer: Answer) -> str:
    to = led_to(answer)
    assert to.startswith(f"{CALLBACK}?")
    return parse_qs(urlsplit(to).query)["code"][0]


@pytest.fixture
async def walk(tmp_path: Path) -> AsyncIterator[Walk]:
    opened = await open_house(tmp_path)
    await opened.user("ada")
    flow = opened.core.plane.snapshot.find(Flow, slug=ASKING)
    assert flow is not None
    await opened.application(authorization_flow=flow.pk)
    watched = Watched(opened.core.database)
    core = await build_core(opened.core.settings, cast("Database", watched), environ={})
    yield Walk(House(core, build_site(core, Metrics(version="test")), opened.metrics), watched)
    await opened.close()


async def test_eight_requests_seven_commits(walk: Walk) -> None:
    seen = []

    async def step(answer: Answer) -> Answer:
        seen.append((answer.status, *walk.watched.taken()))
        return answer

    walk.watched.taken()
    begun = await step(await walk.get(authorize()))
    await step(await walk.get(begun.header("location") or ""))
    named = await step(await walk.post(uid_field="ada"))
    await step(await walk.get(named.header("location") or ""))
    proven = await step(await walk.post(password=PASSWORD))
    await step(await walk.get(proven.header("location") or ""))
    code = code_of(await step(await walk.post()))
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    form |= {"client_id": "wiki", "client_secret": CLIENT_SECRET}
    answer = await step(await walk.house.call("POST", "/application/o/token/", form=form))
    assert answer.json()["id_token"]
    assert (
        seen
        == [
            (302, 0, [2]),  # session and plan
            (200, 2, []),  # session, plan: pages only read
            (303, 4, [1]),
            (200, 3, []),
            (
                303,
                7,
                [1, 10],
            ),  # counted first; the proof: throttle, new session, what moves with it, the event, the next plan
            (200, 4, []),
            (200, 4, [7]),  # consent, plan, the session held, family, code, party, the event
            (200, *seen[-1][1:]),  # the token endpoint has its own figures
        ]
    )
    assert len(seen[-1][2]) <= 2
    assert await walk.count("event", "action = 'login'") == 1
    assert await walk.count("event", "action = 'authorize_application'") == 1
    assert await walk.count("flow_tab_plan") == await walk.count("flow_completion") == 0


async def test_a_password_that_cannot_be_kept_proves_nothing(walk: Walk) -> None:
    await walk.to_password()
    before, cookies = walk.page, dict(walk.house.cookies)
    walk.watched.broken = True
    assert (await walk.post(password=PASSWORD)).status == 503
    assert walk.house.cookies == cookies
    assert await walk.count("session", "user_pk IS NOT NULL") == 0
    assert await walk.count("event", "action = 'login'") == 0
    walk.watched.broken, walk.page = False, before
    assert page_of(await walk.post(password=PASSWORD)) == f"/if/flow/{ASKING}/?step=next"


async def test_a_consent_that_cannot_be_kept_gives_no_code(walk: Walk) -> None:
    await walk.to_consent()
    before = walk.page
    walk.watched.broken = True
    assert (await walk.post()).status == 503
    assert await walk.count("single_use") == await walk.count("consent") == 0
    walk.watched.broken, walk.page = False, before
    assert code_of(await walk.post())


async def test_of_two_tabs_that_consent_one_gets_the_code(walk: Walk) -> None:
    await walk.to_consent()
    action, form = walk.form({})
    both = await asyncio.gather(*(walk.house.call("POST", action, form=form) for _ in range(2)))
    assert sorted(one.status for one in both) == [200, 303]
    assert await walk.count("single_use") == 1
    assert await walk.count("event", "action = 'authorize_application'") == 1


async def test_of_two_tabs_that_prove_the_password_one_signs_in(walk: Walk) -> None:
    await walk.to_password()
    action, form = walk.form({"password": PASSWORD})
    cookie = "; ".join(f"{name}={value}" for name, value in walk.house.cookies.items())
    both = await asyncio.gather(
        *(walk.house.call("POST", action, form=form, headers={"cookie": cookie}) for _ in range(2))
    )
    assert [one.status for one in both] == [303, 303]
    given = [name for one in both for name, value in one.headers if name == "set-cookie" and "_session=" in value]
    assert len(given) == 1
    assert await walk.count("session") == await walk.count("event", "action = 'login'") == 1


async def test_an_answer_by_form_is_left_to_the_endpoint(walk: Walk) -> None:
    """The page that posts itself must not be the answer to a form of ours: scripts would lose it."""
    await walk.to_consent(response_mode="form_post")
    to = led_to(await walk.post())
    assert to.startswith(AUTHORIZE)
    assert await walk.count("single_use") == 0
    posting = await walk.get(to)
    assert b'name="code"' in posting.body
    assert f"form-action {CALLBACK}" in (posting.header("content-security-policy") or "")


async def test_a_refused_application_is_told_at_its_own_address(walk: Walk) -> None:
    await walk.house.user("eve")
    await walk.refuse_ada()
    await walk.to_password(prompt="login")
    to = led_to(await walk.post(password=PASSWORD))
    assert to.startswith(AUTHORIZE)
    refused = await walk.get(to)
    assert refused.status == 200
    assert b"<h1>No access</h1>" in refused.body
    for fact in (b"<dd>wiki</dd>", b"<dd>ada</dd>", b"ostiary_return=another"):
        assert fact in refused.body
    assert await walk.count("single_use") == 0


async def test_another_request_cannot_take_up_the_end_of_a_flow(walk: Walk) -> None:
    """The address to go to can be chosen by whoever wrote the link; the proof holds for one request only."""
    await walk.to_password(prompt="login")
    action, form = walk.form({"password": PASSWORD})
    other = authorize(prompt="login", state="another", ostiary_return="sign-in")
    foreign = f"{action.partition('?')[0]}?{urlencode({'next': other})}"
    answer = await walk.house.call("POST", foreign, form=form)
    assert page_of(answer) == f"/if/flow/{LOGIN}/?step=next"  # nothing was asked for it: the name is asked
    assert b'name="uid_field"' in (await walk.get(answer.header("location") or "")).body
    begun = await walk.get(other)
    assert page_of(begun) == f"/if/flow/{LOGIN}/"
    assert await walk.count("single_use") == 0


async def test_prompt_login_asks_once(walk: Walk) -> None:
    await walk.to_consent()
    assert code_of(await walk.post())
    await walk.to_password(prompt="login")
    left = await walk.post(password=PASSWORD)
    assert code_of(left)


async def test_a_no_reaches_the_application(walk: Walk) -> None:
    await walk.to_consent()
    said = await walk.post(deny="true")
    assert (said.status, page_of(said)) == (303, f"/if/flow/{ASKING}/?step=next")
    told = await walk.get(led_to(await walk.get(said.header("location") or "")))
    assert told.status == 302
    assert parse_qs(urlsplit(told.header("location") or "").query)["error"] == ["access_denied"]
    assert await walk.count("single_use") == await walk.count("consent") == await walk.count("grant_family") == 0
    assert await walk.count("flow_tab_plan") == await walk.count("flow_completion") == 0


async def test_of_a_yes_and_a_no_in_two_tabs_one_is_heard(walk: Walk) -> None:
    await walk.to_consent()
    action, form = walk.form({})
    yes, no = await asyncio.gather(
        walk.house.call("POST", action, form=form), walk.house.call("POST", action, form={**form, "deny": "true"})
    )
    assert no.status == 303
    allowed = await walk.count("single_use")
    assert allowed == (1 if yes.status == 200 else 0)
    if allowed:
        assert await walk.count("flow_tab_plan") == await walk.count("flow_completion") == 0
    late = await walk.house.call("POST", action, form=form)
    assert late.status == 303
    assert await walk.count("single_use") == allowed


async def test_a_no_in_one_tab_does_not_answer_for_another(walk: Walk) -> None:
    """Both applications' questions are the same flow in the same session; each page answers its own only."""
    await walk.to_consent()
    action, form = walk.form({"deny": "true"})
    other = await walk.get(authorize(state="other"))
    assert page_of(other) == f"/if/flow/{ASKING}/"
    stale = await walk.house.call("POST", action, form=form)
    assert stale.status == 303
    assert b"Cancel" in (await walk.get(other.header("location") or "")).body
    assert await walk.count("flow_completion") == 0
    code_of(await walk.post())
    assert await walk.count("single_use") == 1


async def test_a_no_without_a_session_is_not_believed(walk: Walk) -> None:
    await walk.to_consent()
    said = await walk.post(deny="true")
    back = led_to(await walk.get(said.header("location") or ""))
    stranger = await walk.house.another_browser().call("GET", back)
    assert page_of(stranger) == f"/if/flow/{LOGIN}/"
    walk.house.cookies.clear()
    assert page_of(await walk.get(back)) == f"/if/flow/{LOGIN}/"
