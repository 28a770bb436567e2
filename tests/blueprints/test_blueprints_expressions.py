"""Expressions that this version cannot evaluate are named wherever they are saved, and where they stand."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from blueprints_world import NOW, World

from ostiary.app.rooms import KINDS
from ostiary.blueprints.report import Report
from ostiary.flows.prompt.field import Prompt
from ostiary.mappings.scope_mapping import ScopeMapping
from ostiary.policies.kinds.expression import ExpressionPolicy

LOST = """\
version: 1
entries:
  - {model: authentik_policies_expression.expressionpolicy, identifiers: {name: own}, attrs: {expression: "return request.user.pk > 5"}}
  - {model: authentik_policies_expression.expressionpolicy, identifiers: {name: fine}, attrs: {expression: "return True"}}
  - {model: authentik_policies_expression.expressionpolicy, identifiers: {name: reads}, attrs: {expression: "return open('/etc/hostname').read() == ''"}}
  - {model: authentik_providers_oauth2.scopemapping, identifiers: {name: role}, attrs: {scope_name: role, expression: "return {'role': ak_user_by(pk=1).name}"}}
  - {model: authentik_providers_oauth2.scopemapping, identifiers: {name: plain}, attrs: {scope_name: plain, expression: "return {'name': request.user.name}"}}
  - model: authentik_stages_prompt.prompt
    identifiers: {name: level}
    attrs: {field_key: level, label: L, type: text, placeholder: "return ak_weather(user)", placeholder_expression: true, initial_value: "return user.name", initial_value_expression: true}
  - model: authentik_stages_prompt.prompt
    identifiers: {name: hidden}
    attrs: {field_key: hidden, label: L, type: hidden, initial_value: "return ak_weather(user)", initial_value_expression: true}
"""


def told(report: Report) -> list[str]:
    [file] = report.files
    assert file.error is None, str(file.error)
    return [one.split(": ", 2)[2] for one in file.applied.notices]


async def test_check_and_every_apply_name_them(world: World, tmp_path: Path) -> None:
    path = tmp_path / "lost.yaml"
    path.write_text(LOST)
    first = await world.check(path)
    assert [one.partition(":")[0] for one in told(first)] == ["reads", "level", "hidden"]
    assert [one.split()[1] for one in told(first)] == [
        "expression", "placeholder", "initial_value",
    ]  # fmt: skip
    assert told(await world.apply(path)) == told(first)
    again = await world.apply(path)
    assert not again.changed
    assert told(again) == told(first)


async def test_a_directory_says_it_in_the_log(world: World, tmp_path: Path, caplog: Any) -> None:
    (tmp_path / "lost.yaml").write_text(LOST)
    with caplog.at_level(logging.WARNING):
        await world.discovery(tmp_path).run(now=NOW)
    assert sum("when it gets there" in one.getMessage() for one in caplog.records) == 3


async def test_everything_shipped_can_be_evaluated(ready: World) -> None:
    snapshot = ready.editor.plane.snapshot
    shipped = {
        one: model.KIND.advise for model in KINDS if model.KIND.advise is not None for one in snapshot.all(model)
    }
    assert {ExpressionPolicy, Prompt, ScopeMapping} <= {type(one) for one in shipped}
    assert [problem for one, advise in shipped.items() for problem in advise(one)] == []


@pytest.mark.parametrize("model", [one for one in KINDS if "expression" in " ".join(one.KIND.fields)])
def test_no_kind_keeps_an_expression_in_silence(model: type[Any]) -> None:
    assert model.KIND.advise is not None, f"{model.KIND.name} holds an expression and says nothing about it"
