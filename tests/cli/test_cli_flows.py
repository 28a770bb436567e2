"""`ostiary flow show` and `ostiary flow simulate`: a flow as it is configured, and a walk that does nothing."""

from __future__ import annotations

import itertools
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from cli_runs import Run
from test_cli_explain import dump

FLOWS = """
version: 1
entries:
  - {model: authentik_core.group, identifiers: {name: "night & day"}, id: staff}
  - model: authentik_flows.flow
    id: door
    identifiers: {slug: door}
    attrs: {name: "The <door>", title: Door, designation: authorization, authentication: require_authenticated}
  - model: authentik_flows.flow
    id: other
    identifiers: {slug: other}
    attrs: {name: Other, title: Other, designation: recovery}
  - model: authentik_policies_expression.expressionpolicy
    id: home
    identifiers: {name: at-home}
    attrs: {expression: 'return ak_client_ip in ip_network("192.0.2.0/24")'}
  - model: authentik_policies_expression.expressionpolicy
    id: notes
    identifiers: {name: leaves-a-note}
    attrs:
      expression: |
        ak_create_event("seen", who=request.user.username)
        ak_message("Hello.")
        return True
  - model: authentik_policies_password.passwordpolicy
    id: long
    identifiers: {name: long}
    attrs: {length_min: 20}
  - model: authentik_stages_prompt.promptstage
    id: ask
    identifiers: {name: ask}
    attrs: {fields: [], validation_policies: [!KeyOf long]}
  - {model: authentik_stages_deny.denystage, id: deny, identifiers: {name: deny}}
  - model: authentik_stages_identification.identificationstage
    id: who
    identifiers: {name: who}
    attrs: {user_fields: [username], recovery_flow: !KeyOf other}
  - model: authentik_flows.flowstagebinding
    id: asked
    identifiers: {target: !KeyOf door, stage: !KeyOf ask, order: 10}
    attrs: {evaluate_on_plan: true}
  - model: authentik_flows.flowstagebinding
    id: denied
    identifiers: {target: !KeyOf door, stage: !KeyOf deny, order: 20}
    attrs: {policy_engine_mode: all}
  - {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf other, stage: !KeyOf who, order: 5}}
  - {model: authentik_policies.policybinding, identifiers: {target: !KeyOf asked, policy: !KeyOf notes, order: 0}}
  - model: authentik_policies.policybinding
    identifiers: {target: !KeyOf denied, policy: !KeyOf home, order: 0}
    attrs: {negate: true}
  - model: authentik_policies.policybinding
    identifiers: {target: !KeyOf denied, group: !KeyOf staff, order: 1}
"""


@pytest.fixture
def house(run: Run, tmp_path: Path) -> Run:
    """Two flows, and ada."""
    (tmp_path / "flows.yaml").write_text(FLOWS)
    done = run("blueprint", "apply", "flows.yaml")
    assert done.code == 0, done.err
    assert run("user", "create", "ada", "--email", "ada@example.org").code == 0
    return run


def data(run: Run, *words: str) -> dict[str, Any]:
    done = run(*words, "--json")
    assert (done.code, done.err) == (0, "")
    return dict(json.loads(done.out))


def test_a_flow_is_shown_with_its_conditions_and_exits(house: Run) -> None:
    assert house("flow", "show", "door").out.splitlines() == [
        "Flow door: The <door> (authorization, for people who are signed in)",
        "  10: Prompt Stage ask",
        "      only if policy leaves-a-note",
        "      decided when the flow begins, and again at the stage",
        "      answers are checked by policy long",
        "  20: Deny Stage deny",
        "      only if not policy at-home",
        "      and a member of group night & day",
        "      decided at the stage",
    ]
    assert "      -> recovery flow: flow other" in house("flow", "show", "other").out.splitlines()
    assert [stage["stage"] for stage in data(house, "flow", "show", "door")["stages"]] == ["ask", "deny"]


def test_it_is_drawn_with_a_box_for_each_stage(house: Run, tmp_path: Path) -> None:
    assert house("flow", "show", "door", "--svg", "door.svg").code == 0
    picture = ET.parse(tmp_path / "door.svg").getroot()  # noqa: S314 - our own file
    name = "{http://www.w3.org/2000/svg}"
    assert len(picture.findall(f"{name}rect")) == 4  # the flow, two stages, the end
    texts = [one.text for one in picture.findall(f"{name}text")]
    assert {"Flow door", "10  ask", "20  deny", "and a member of group night & day"} <= set(texts)
    title = picture.find(f"{name}title")
    assert title is not None
    assert title.text == "The <door>"
    boxes = [(float(one.get("y", 0)), float(one.get("height", 0))) for one in picture.findall(f"{name}rect")]
    assert all(top + height < below for (top, height), (below, _) in itertools.pairwise(boxes))


def test_a_walk_tells_each_decision_and_does_nothing(house: Run, tmp_path: Path) -> None:
    before = dump(tmp_path)
    shown = house("flow", "simulate", "door", "--user", "ada").out
    assert shown.startswith("ada would pass flow door.\n")
    assert "  10: Prompt Stage ask: taken\n" in shown
    assert "writes an event seen" in shown
    assert "  20: Deny Stage deny: left out\n" in shown
    assert house("group", "add-user", "night & day", "ada").code == 0
    after = dump(tmp_path)
    denied = house("flow", "simulate", "door", "--user", "ada", "--context", "ip=198.51.100.7").out
    assert denied.startswith("ada would not pass flow door: stage deny refuses.\n")
    home = data(house, "flow", "simulate", "door", "--user", "ada", "--context", "ip=192.0.2.7")
    assert [place["fate"] for place in home["places"]] == ["taken", "left out"]
    assert before != after == dump(tmp_path)


def test_who_is_signed_in_can_be_said(house: Run) -> None:
    shown = house("flow", "simulate", "door", "--user", "ada", "--signed-out").out
    assert shown.startswith("ada would not pass flow door: the flow asks for require_authenticated.\n")
    assert house("flow", "simulate", "other", "--user", "ada").out.startswith("ada would pass flow other.\n")


def test_the_context_of_the_plan_can_be_given(house: Run) -> None:
    shown = house("flow", "simulate", "default-authentication-flow", "--user", "ada", "--facts", '{"auth_method": "x"}')
    assert "request.context['user_backend']" in shown.out
    assert "request.context['auth_method']" not in shown.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show", "dor"), "there is no flow dor; near names: door"),
        (("simulate", "door", "--user", "adda"), "there is no user adda; near names: ada"),
        (("simulate", "door", "--user", "ada", "--context", "ip=home"), "expected an address"),
        (("simulate", "door", "--user", "ada", "--facts", "[]"), "expected"),
        (("show", "door", "--context", "revision=99999"), "99999"),
    ],
)
def test_a_mistake_is_one_line(house: Run, words: tuple[str, ...], told: str) -> None:
    done = house("flow", *words)
    assert (done.code, done.out) == (1, "")
    assert told in done.err
    assert done.err.count("\n") == 1
