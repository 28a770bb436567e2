"""A stage, an authenticator, a policy and a kind from a package of somebody else work everywhere, without a line in our tree."""

from __future__ import annotations

import html
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from garden.address_policy import AddressPolicy
from garden.gate import Gate
from garden.pigeon.authenticator import PigeonAuthenticator
from garden.riddle_stage import RiddleStage
from garden.room import ROOM as GARDEN
from support.program import ask

from ostiary.app.core import Core, clock, open_core
from ostiary.app.metrics import Metrics
from ostiary.app.rooms import ROOMS
from ostiary.app.site import build_site
from ostiary.blueprints.service import apply_paths
from ostiary.flows.resources import Flow
from ostiary.policies.context import PolicyContext
from ostiary.policies.decide import decide
from ostiary.settings import Settings, load
from ostiary.store.database import Batch, Statement
from ostiary.store.workspace.editor import Workspace

HERE = "127.0.0.1"
BLUEPRINT = """\
version: 1
metadata:
  name: garden
entries:
  - model: authentik_flows.flow
    id: flow
    identifiers: {slug: through-the-gate}
    attrs: {name: Gate, title: Gate, designation: enrollment, denied_action: message}
  - model: garden.riddlestage
    id: riddle
    identifiers: {name: riddle}
    attrs: {riddle: What has roots as nobody sees?, word: mountain}
  - model: authentik_flows.flowstagebinding
    identifiers: {target: !KeyOf flow, stage: !KeyOf riddle, order: 0}
  - model: garden.addresspolicy
    id: address
    identifiers: {name: nearby}
    attrs: {address: 127.0.0.1}
  - model: authentik_policies.policybinding
    identifiers: {target: !KeyOf flow, policy: !KeyOf address, order: 0}
  - model: garden.gate
    identifiers: {name: north}
    attrs: {flow: !KeyOf flow}
  - model: authentik_flows.flow
    id: crossing
    identifiers: {slug: crossing}
    attrs: {name: Crossing, title: Crossing, designation: enrollment}
  - model: garden.forkstage
    id: fork
    identifiers: {name: fork}
    attrs: {left: !KeyOf flow}
  - model: authentik_flows.flowstagebinding
    identifiers: {target: !KeyOf crossing, stage: !KeyOf fork, order: 0}
  - model: authentik_core.user
    identifiers: {username: jo}
    attrs: {name: Jo, password: correct horse battery}
  - model: authentik_flows.flow
    id: loft
    identifiers: {slug: loft}
    attrs: {name: Loft, title: Loft, designation: authentication}
  - model: authentik_stages_password.passwordstage
    id: password
    identifiers: {name: password}
    attrs: {backends: [authentik.core.auth.InbuiltBackend]}
  - model: authentik_stages_identification.identificationstage
    id: who
    identifiers: {name: who}
    attrs: {user_fields: [username], password_stage: !KeyOf password}
  - model: garden.pigeonstage
    id: pigeon
    identifiers: {name: pigeon}
    attrs: {friendly_name: Feathers, configure_flow: !KeyOf loft}
  - model: authentik_stages_authenticator_validate.authenticatorvalidatestage
    id: validate
    identifiers: {name: validate}
    attrs: {device_classes: [garden.pigeon]}
  - model: authentik_stages_user_login.userloginstage
    id: login
    identifiers: {name: login}
  - model: authentik_flows.flowstagebinding
    identifiers: {target: !KeyOf loft, stage: !KeyOf who, order: 0}
  - model: authentik_flows.flowstagebinding
    identifiers: {target: !KeyOf loft, stage: !KeyOf pigeon, order: 1}
  - model: authentik_flows.flowstagebinding
    identifiers: {target: !KeyOf loft, stage: !KeyOf validate, order: 2}
  - model: authentik_flows.flowstagebinding
    identifiers: {target: !KeyOf loft, stage: !KeyOf login, order: 3}
"""


def settings(folder: Path) -> Settings:
    environ = {"OSTIARY_DATA_DIR": str(folder), "OSTIARY_SECRET_KEY": "k" * 40, "OSTIARY_HOSTS": "id.example.org"}
    return load(environ, default_file=None)


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    opened = await open_core(settings(tmp_path), environ={}, create=True, rooms=[*ROOMS, GARDEN])
    blueprint = tmp_path / "garden.yaml"
    blueprint.write_text(BLUEPRINT)
    report = await apply_paths(
        [blueprint], editor=opened.editor, registry=opened.registry, environ={}, author="test", now=clock()
    )
    assert report.ok, report
    yield opened
    await opened.close()


class Browser:
    def __init__(self, core: Core, address: str = HERE) -> None:
        self._site = build_site(core, Metrics(version="1")).site
        self._address = address
        self._cookie = self.location = ""

    async def call(self, method: str, body: object = None, slug: str = "through-the-gate") -> tuple[int, Any]:
        content = b"" if body is None else json.dumps(body).encode()
        status, answer = await self._send(method, f"/api/v3/flows/executor/{slug}/", content, "application/json")
        return status, json.loads(answer) if answer.startswith(b"{") else None

    async def page(self, path: str, form: dict[str, str] | None = None) -> str:
        """Show a page; with `form`, fill in what it shows and send it, and show what follows."""
        status, answer = await self._send("GET", path)
        assert status == 200, (status, answer)
        text = answer.decode()
        if form is None:
            return text
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', text))
        sent = urlencode({**{name: html.unescape(value) for name, value in hidden.items()}, **form}).encode()
        status, _ = await self._send("POST", path, sent, "application/x-www-form-urlencoded")
        assert status == 303
        return await self.page(path) if self.location.startswith(path) else self.location

    async def _send(self, method: str, path: str, content: bytes = b"", media: str = "") -> tuple[int, bytes]:
        headers = {name: value for name, value in (("cookie", self._cookie), ("content-type", media)) if value}
        answer = await ask(self._site, method, path, headers=headers, body=content, scheme="http", client=self._address)
        for name, value in answer.headers:
            if name == "set-cookie" and value.startswith("authentik_session"):
                self._cookie = value.partition(";")[0]
            if name == "location":
                self.location = value
        return answer.status, answer.body

    async def shown(self, slug: str = "through-the-gate") -> Any:
        status, answer = await self.call("GET", slug=slug)
        while status == 302:
            status, answer = await self.call("GET", slug=slug)
        return answer

    async def answered(self, slug: str, **answer: object) -> Any:
        status, shown = await self.call("POST", answer, slug)
        return await self.shown(slug) if status == 302 else shown


async def test_a_blueprint_stores_them_and_a_restart_finds_them(core: Core, tmp_path: Path) -> None:
    again = await open_core(settings(tmp_path), environ={}, rooms=[*ROOMS, GARDEN])
    snapshot = again.plane.snapshot
    await again.close()
    flow, gate = snapshot.find(Flow, slug="through-the-gate"), snapshot.find(Gate, name="north")
    assert flow is not None
    assert gate is not None
    assert gate.flow == str(flow.pk)
    assert snapshot.find(RiddleStage, name="riddle") is not None
    assert snapshot.find(AddressPolicy, name="nearby") is not None


async def test_the_stage_asks_and_judges(core: Core) -> None:
    browser = Browser(core)
    shown = await browser.shown()
    assert (shown["component"], shown["riddle"]) == ("ak-stage-riddle", "What has roots as nobody sees?")
    _, answer = await browser.call("POST", {"component": "ak-stage-riddle", "word": "tree"})
    assert answer["response_errors"] == {"word": [{"string": "That is not it.", "code": "invalid"}]}
    status, _ = await browser.call("POST", {"component": "ak-stage-riddle", "word": "mountain"})
    assert status == 302
    assert (await browser.shown())["component"] == "xak-flow-redirect"


async def test_the_stage_has_a_page_of_its_own(core: Core) -> None:
    browser = Browser(core)
    assert '<p class="riddle">What has roots as nobody sees? (30)</p>' in await browser.page(
        "/if/flow/through-the-gate/"
    )
    wrong = await browser.page("/if/flow/through-the-gate/", {"word": "tree"})
    assert "That is not it." in wrong
    assert await browser.page("/if/flow/through-the-gate/", {"word": "mountain"}) == "/?step=next"


async def test_the_verdict_of_a_stage_leads_into_another_flow(core: Core) -> None:
    browser = Browser(core)
    assert await browser.page("/if/flow/crossing/", {"way": "left"}) == "/if/flow/through-the-gate/?step=next"
    assert "What has roots as nobody sees?" in await browser.page("/if/flow/through-the-gate/")
    assert await browser.page("/if/flow/through-the-gate/", {"word": "mountain"}) == "/?step=next"
    assert await browser.page("/if/flow/crossing/", {"way": "right"}) == "/?step=next"


async def test_the_authenticator_is_set_up_asked_for_listed_and_removed(core: Core) -> None:
    browser = Browser(core)
    await browser.shown("loft")
    shown = await browser.answered("loft", uid_field="jo", password="correct horse battery")
    assert shown["component"] == "ak-stage-pigeon"
    shown = await browser.answered("loft", colour="grey")
    (asked,) = shown["device_challenges"]
    assert (asked["device_class"], asked["challenge"]) == ("garden.pigeon", {"colour": "grey"})
    assert '<p class="pigeon">The grey one.</p>' in await browser.page("/if/flow/loft/")
    shown = await browser.answered("loft", selected_challenge=asked)
    assert shown["response_errors"]["code"][0]["code"] == "required"
    shown = await browser.answered("loft", letter="not this")
    assert shown["component"] == "ak-stage-authenticator-validate"
    assert shown["response_errors"]["code"][0]["code"] == "invalid"
    await core.database.write(lambda: iter_one("UPDATE garden_pigeon SET locked_until = 0"))
    assert (await browser.answered("loft", letter=PigeonAuthenticator.LOFT.pop()))["component"] == "xak-flow-redirect"
    library = await browser.page("/if/user/")
    assert "Feathers" in library
    assert "Carrier pigeon, added on" in library
    (path,) = re.findall(r'href="(/if/user/factors/[^"]+/remove/)"', library)
    assert await browser.page(path, {}) == "/if/user/"
    assert "Feathers" not in await browser.page("/if/user/")


async def test_a_person_who_is_deleted_leaves_no_authenticator(core: Core) -> None:
    users = [await core.users.by_username(name) for name in ("jo",)]
    assert users[0] is not None
    pk = users[0].pk
    pigeon = core.devices.kind(PigeonAuthenticator).add(user=pk, name="Pigeon", colour="grey", now=clock())
    await core.database.write(lambda: iter_one(pigeon))

    async def delete(workspace: Workspace) -> None:
        stored = await workspace.get("authentik_core.user", pk)
        assert stored is not None
        await workspace.delete(stored)

    await core.editor.edit(delete, author="test", message="", now=clock())
    assert await core.database.fetch("SELECT 1 FROM garden_pigeon") == []


def iter_one(statement: Statement | str) -> Batch[None]:
    yield Statement(statement) if isinstance(statement, str) else statement


async def test_the_policy_keeps_out_whom_it_does_not_want(core: Core) -> None:
    shown = await Browser(core, address="192.0.2.9").shown()
    assert shown["component"] == "ak-stage-access-denied"


@pytest.mark.parametrize(
    ("address", "how", "passing", "messages"),
    [(HERE, "rules", True, ()), ("192.0.2.9", "rules", False, ("Come closer.",)), (None, "failed", False, ())],
)
async def test_the_decision_evaluates_it_with_a_trace(
    core: Core, address: str | None, how: str, passing: bool, messages: tuple[str, ...]
) -> None:
    snapshot = core.plane.snapshot
    flow = snapshot.find(Flow, slug="through-the-gate")
    assert flow is not None
    context = PolicyContext(now=clock(), client_ip=address)
    found = await decide(subject=None, target_pk=str(flow.pk), mode="any", snapshot=snapshot, context=context)
    (step,) = found.trace.steps
    assert (step.name, step.how, found.passing, found.messages) == ("nearby", how, passing, messages)
    assert found.undecided is (how == "failed")


async def test_without_the_room_nothing_of_it_is_known(tmp_path: Path) -> None:
    core = await open_core(settings(tmp_path), environ={}, create=True)
    blueprint = tmp_path / "garden.yaml"
    blueprint.write_text(BLUEPRINT)
    report = await apply_paths(
        [blueprint], editor=core.editor, registry=core.registry, environ={}, author="test", now=clock()
    )
    await core.close()
    assert not report.ok
    assert "garden.riddlestage" in str(report.files[0].error)
