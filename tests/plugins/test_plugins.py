"""A stage, a policy and a kind from a package of somebody else work everywhere, without a line in our tree."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from garden.address_policy import AddressPolicy
from garden.gate import Gate
from garden.riddle_stage import RiddleStage
from garden.room import ROOM as GARDEN

from ostiary.app.core import Core, clock, open_core
from ostiary.app.metrics import Metrics
from ostiary.app.rooms import ROOMS
from ostiary.app.site import build_site
from ostiary.blueprints.service import apply_paths
from ostiary.flows.resources import Flow
from ostiary.policies.context import PolicyContext
from ostiary.policies.decide import decide
from ostiary.settings import Settings, load

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
        self._cookie = ""

    async def call(self, method: str, body: object = None) -> tuple[int, Any]:
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"host": "id.example.org", "cookie": self._cookie, "content-type": "application/json"}
        scope = {
            "type": "http", "method": method, "path": (path := "/api/v3/flows/executor/through-the-gate/"),
            "raw_path": path.encode(), "query_string": b"", "scheme": "http", "client": (self._address, 4711),
            "headers": [(b"content-length", b"%d" % len(content))]
            + [(name.encode(), value.encode()) for name, value in headers.items() if value],
        }  # fmt: skip
        status, answer = 0, b""

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status, answer
            status = message.get("status", status)
            answer += message.get("body", b"")
            for name, value in message.get("headers", ()):
                if name == b"set-cookie":
                    self._cookie = value.decode().partition(";")[0]

        await self._site(scope, receive, send)
        return status, json.loads(answer) if answer.startswith(b"{") else None

    async def shown(self) -> Any:
        status, answer = await self.call("GET")
        while status == 302:
            status, answer = await self.call("GET")
        return answer


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
