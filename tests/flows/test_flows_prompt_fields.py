"""Fields of every type, through the executor: their values, their types, and files."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from flows_world import Client, World, bind, pk

from ostiary.flows.prompt.field import Prompt
from ostiary.flows.prompt.page import prompt_fields
from ostiary.flows.prompt.validation import MAX_FILE_SIZE
from ostiary.flows.run.body_limit import FILES_LIMIT
from ostiary.flows.stages.deny import DenyStage
from ostiary.flows.stages.prompt import PromptStage
from ostiary.flows.stages.user_write import UserWriteStage
from ostiary.policies.kinds.expression import ExpressionPolicy


def prompt(key: str, kind: Any, **values: Any) -> Prompt:
    return Prompt(pk=pk(), name=f"{key} {pk()}", field_key=key, label=key, type=kind, **values)


def asking(world: World, *prompts: Prompt) -> PromptStage:
    world.change(*prompts)
    return PromptStage(pk=pk(), name=f"ask {pk()}", fields=tuple(str(one.pk) for one in prompts))


ANSWERS: dict[str, tuple[str, object, object]] = {
    "text": ("text", " a ", "a"),
    "area": ("text_area", "a\nb", "a\nb"),
    "read": ("text_read_only", "x", "given"),
    "readarea": ("text_area_read_only", "x", "given"),
    "mail": ("email", "jo@example.org", "jo@example.org"),
    "number": ("number", "12", 12),
    "box": ("checkbox", True, True),
    "nobox": ("checkbox", False, False),
    "radio": ("radio-button-group", "b", "b"),
    "list": ("dropdown", "b", "b"),
    "day": ("date", "2026-01-31", "2026-01-31"),
    "moment": ("date-time", "2026-01-31T12:00", "2026-01-31T12:00:00+00:00"),
    "file": ("file", "data:text/plain;base64,YQ==", "data:text/plain;base64,YQ=="),
    "hidden": ("hidden", "x", "given"),
    "static": ("static", "x", "given"),
    "locale": ("ak-locale", "de", "de"),
}


async def test_every_type_is_stored_with_its_own_type(world: World) -> None:
    choices = {"placeholder": "return ['a', 'b']", "placeholder_expression": True}
    given = {"read", "readarea", "hidden", "static"}
    prompts = [
        prompt(
            f"attributes.{key}", kind,
            initial_value="given" if key in given else "", **(choices if key in {"radio", "list"} else {}),
        )
        for key, (kind, _, _) in ANSWERS.items()
    ]  # fmt: skip
    name = prompt("username", "username")
    line = prompt("attributes.line", "separator")
    write = UserWriteStage(pk=pk(), name="write", user_creation_mode="always_create")
    world.flow("form", [asking(world, name, line, *prompts), write])
    client = Client(world, slug="form")
    await client.get()
    answers = {f"attributes.{key}": raw for key, (_, raw, _) in ANSWERS.items()}
    shown = await client.answer(component="ak-stage-prompt", username="ada", **answers, **{"attributes.line": "x"})
    assert shown["component"] == "xak-flow-redirect", shown
    made = await world.users.by_username("ada")
    assert made is not None
    assert made.attributes == {key: value for key, (_, _, value) in ANSWERS.items()}


async def test_dates_are_dates_for_policies_of_later_stages(world: World) -> None:
    """A plan is stored between two answers, and an expression changes its context: dates stay dates."""
    first = asking(world, prompt("day", "date"), prompt("moment", "date-time"), prompt("age", "number"))
    second, deny = asking(world, prompt("more", "text")), DenyStage(pk=pk(), name="deny")
    flow = world.flow("form", [first, second, deny])
    source = """
import datetime
data = request.context["prompt_data"]
assert isinstance(data["day"], datetime.date) and data["day"].year == 2026
assert data["moment"] - datetime.datetime(2026, 1, 31, tzinfo=datetime.timezone.utc) == datetime.timedelta(hours=12)
data["count"] = data.get("count", 0) + data["age"]
return data["count"] < 6
"""
    judge = ExpressionPolicy(pk=pk(), name="judge", expression=source)
    world.change(judge, bind(world.binding(flow, second), judge), bind(world.binding(flow, deny), judge))
    client = Client(world, slug="form")
    await client.get()
    shown = await client.answer(component="ak-stage-prompt", day="2026-01-31", moment="2026-01-31T12:00", age=3)
    assert shown["fields"][0]["field_key"] == "more"
    shown = await client.answer(component="ak-stage-prompt", more="x")
    assert shown["component"] == "xak-flow-redirect"
    assert await world.events("policy_exception") == []


async def test_a69_only_a_flow_that_asks_for_a_file_takes_larger_answers(world: World) -> None:
    world.flow("plain", [asking(world, prompt("text", "text_area"))])
    world.flow("form", [asking(world, prompt("attributes.file", "file"))])
    content = base64.b64encode(bytes(MAX_FILE_SIZE)).decode()
    for slug, size, status in (
        ("plain", "A" * 70_000, 413),
        ("form", f"data:a/b;base64,{content}", 302),
        ("form", "A" * FILES_LIMIT, 413),
    ):
        client = Client(world, slug=slug)
        await client.get()
        answer = await client.post(
            component="ak-stage-prompt", **{"text" if slug == "plain" else "attributes.file": size}
        )
        assert answer.status == status, slug


async def test_a_file_that_is_too_large_is_told_at_its_field(world: World) -> None:
    world.flow("form", [asking(world, prompt("file", "file"))])
    client = Client(world, slug="form")
    await client.get()
    content = base64.b64encode(bytes(MAX_FILE_SIZE + 300)).decode()
    shown = await client.answer(component="ak-stage-prompt", file=f"data:a/b;base64,{content}")
    assert shown["response_errors"]["file"][0]["string"] == "This file is too large."


async def test_two_passwords_have_to_be_the_same_and_three_need_not(world: World) -> None:
    old, new, again = (prompt(key, "password") for key in ("old", "password", "again"))
    world.flow("two", [asking(world, new, again)])
    world.flow("three", [asking(world, old, new, again)])
    for slug, component in (("two", "ak-stage-prompt"), ("three", "xak-flow-redirect")):
        client = Client(world, slug=slug)
        await client.get()
        shown = await client.answer(component="ak-stage-prompt", old="a", password="b", again="c")
        assert shown["component"] == component, json.dumps(shown)


@pytest.mark.parametrize(
    ("kind", "initial", "value"),
    [
        ("checkbox", "False", ""),
        ("checkbox", "0", ""),
        ("checkbox", "True", "True"),
        ("checkbox", "yes", "yes"),
        ("date-time", "2026-01-31T12:00:30+00:00", "2026-01-31T12:00"),
        ("date-time", "2026-01-31 12:00:30+00:00", "2026-01-31T12:00"),
        ("date-time", "soon", "soon"),
        ("date", "2026-01-31", "2026-01-31"),
    ],
)
def test_what_a_field_begins_with_is_as_the_browser_takes_it(kind: str, initial: str, value: str) -> None:
    shown = [{"field_key": "a", "type": kind, "label": "A", "initial_value": initial}]
    (field,) = prompt_fields(shown, values={}, translate=str, focus=False)
    assert field.value == value
