"""Prompts whose values and choices come from expressions that are run."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flows_world import Client, World, default_flow, pk

from ostiary.flows.prompt.field import Prompt
from ostiary.flows.prompt.form import SERVER_SIDE_LOST
from ostiary.flows.stages.prompt import PromptStage
from ostiary.flows.stages.user_write import UserWriteStage
from ostiary.policies.kinds.expression import ExpressionPolicy
from ostiary.resource import InvalidResource


def prompt(key: str, kind: Any = "text", order: int = 0, **values: Any) -> Prompt:
    for name in ("initial_value", "placeholder"):
        if name in values:
            values[f"{name}_expression"] = True
    return Prompt(pk=pk(), name=f"{key} {pk()}", field_key=key, label=key, type=kind, order=order, **values)


def form(world: World, *prompts: Prompt, stages: Any = (), **values: Any) -> Client:
    """Make a flow that asks these prompts."""
    stage = PromptStage(pk=pk(), name=f"ask {pk()}", fields=tuple(str(one.pk) for one in prompts), **values)
    world.change(*prompts)
    world.flow("form", [stage, *stages])
    return Client(world, slug="form")


async def begun(client: Client) -> dict[str, Any]:
    """Return the fields as they are shown, by their keys."""
    shown = await client.get()
    assert shown["component"] == "ak-stage-prompt"
    return {one["field_key"]: one for one in shown["fields"]}


async def test_initial_values_and_placeholders_are_run(world: World) -> None:
    default_flow(world)
    await world.user()
    client = form(
        world,
        prompt("nick", initial_value='return user.username.upper() + "!"'),
        prompt("mail", "email", placeholder='return f"{request.user.username}@{http_request.get_host()}"'),
        prompt("often", "number", initial_value="return 3 * 7"),
        prompt("none", initial_value="return None if user.is_superuser else user.attributes.get('nothing')"),
        prompt("agree", "checkbox", initial_value="return user.is_active and True"),
    )
    client.slug = "default-authentication-flow"
    await client.sign_in()
    client.slug = "form"
    shown = await begun(client)
    assert {key: one["initial_value"] for key, one in shown.items()} == {
        "nick": "JO!", "mail": "", "often": "21", "none": "", "agree": "True",
    }  # fmt: skip
    assert shown["mail"]["placeholder"].startswith("jo@")


async def test_choices_are_run_and_keep_the_type_of_their_values(world: World) -> None:
    write = UserWriteStage(pk=pk(), name="write", user_creation_mode="always_create")
    client = form(
        world,
        prompt("username", "username", initial_value="return 'eve' + 'lyn'"),
        prompt("attributes.room", "dropdown", placeholder="return [f'room {n}' for n in range(2)]"),
        prompt(
            "attributes.floor", "radio-button-group",
            placeholder="return [{'label': f'Floor {n}', 'value': n} for n in (1, 2)]", initial_value="return 1 + 1",
        ),
        stages=[write],
    )  # fmt: skip
    shown = await begun(client)
    assert shown["attributes.room"]["choices"] == [{"value": f"room {n}", "label": f"room {n}"} for n in range(2)]
    assert shown["attributes.room"]["initial_value"] == "room 0"
    assert shown["attributes.floor"]["choices"][1] == {"value": "2", "label": "Floor 2"}
    assert (shown["attributes.floor"]["initial_value"], shown["attributes.floor"]["placeholder"]) == ("2", "")
    answers = {"username": "evelyn", "attributes.room": "room 1"}
    wrong = await client.answer(component="ak-stage-prompt", **answers, **{"attributes.floor": "3"})
    assert list(wrong["response_errors"]) == ["attributes.floor"]
    await client.answer(component="ak-stage-prompt", **answers, **{"attributes.floor": "2"})
    made = await world.users.by_username("evelyn")
    assert made is not None
    assert made.attributes == {"room": "room 1", "floor": 2}


async def test_what_was_answered_before_is_the_context_of_a_prompt(world: World) -> None:
    first = PromptStage(pk=pk(), name="first", fields=())
    town = prompt("town")
    world.change(town)
    first = PromptStage(pk=pk(), name="first", fields=(str(town.pk),))
    street = prompt("street", placeholder='return "Street in " + prompt_context["town"]')
    same = prompt("town", initial_value='return "never: it was answered"')
    context = prompt("seen", initial_value='return request.context["prompt_context"]["town"] * 2')
    world.change(street, same, context)
    second = PromptStage(pk=pk(), name="second", fields=tuple(str(one.pk) for one in (street, same, context)))
    world.flow("form", [first, second])
    client = Client(world, slug="form")
    await client.get()
    shown = await client.answer(component="ak-stage-prompt", town="Ulm")
    fields = {one["field_key"]: one for one in shown["fields"]}
    assert fields["street"]["placeholder"] == "Street in Ulm"
    assert (fields["town"]["initial_value"], fields["seen"]["initial_value"]) == ("Ulm", "UlmUlm")


async def test_a_value_is_worked_out_once_for_each_showing(world: World) -> None:
    source = "import random\nak_create_event('drawn')\nreturn str(random.random())"
    client = form(world, prompt("draw", "hidden", initial_value=source))
    first, again = (await begun(client))["draw"], (await begun(client))["draw"]
    assert first["initial_value"] == again["initial_value"] != ""
    assert len(await world.events("custom_drawn")) == 1
    other = (await begun(Client(world, slug="form")))["draw"]
    assert other["initial_value"] != first["initial_value"]
    await client.answer(component="ak-stage-prompt", draw="mine")
    assert len(await world.events("custom_drawn")) == 2


async def test_a52_the_server_s_own_value_is_the_one_that_was_shown(world: World) -> None:
    write = UserWriteStage(pk=pk(), name="write", user_creation_mode="always_create")
    source = "import random\nreturn {'badge': random.randrange(10**9)}"
    client = form(
        world, prompt("username", "username"), prompt("attributes.of", "hidden", initial_value=source), stages=[write]
    )
    shown = await begun(client)
    await client.answer(component="ak-stage-prompt", username="ada", **{"attributes.of": "mine"})
    made = await world.users.by_username("ada")
    assert made is not None
    assert str(made.attributes["of"]) == shown["attributes.of"]["initial_value"]


async def test_an_expression_that_fails_shows_nothing_and_is_told_once_a_minute(world: World, caplog: Any) -> None:
    client = form(
        world,
        prompt("a", initial_value="return user.nothing"),
        prompt("b", "dropdown", placeholder="return [][0]"),
        prompt("c", placeholder="while True:\n    pass"),
    )
    with caplog.at_level(logging.WARNING, logger="ostiary.evaluation"):
        for _ in range(3):
            shown = await begun(client)
    assert [one["initial_value"] + one["placeholder"] for one in shown.values()] == ["", "", ""]
    assert shown["b"]["choices"] == []
    assert "line 1: AttributeError: 'User' object has no attribute 'nothing'; nothing is shown" in caplog.text
    events = await world.events("property_mapping_exception")
    assert sorted(one["context"]["field"] for one in events) == ["initial_value", "placeholder", "placeholder"]
    world.now += 10_000_000
    for _ in range(3):
        await begun(Client(world, slug="form"))
    assert len(await world.events("property_mapping_exception")) == 3


async def test_a81_one_line_a_minute_whatever_the_reasons(world: World, caplog: Any) -> None:
    form(world, prompt("a", initial_value="import random\nreturn {}[str(random.random())]"))
    with caplog.at_level(logging.WARNING, logger="ostiary.evaluation"):
        for _ in range(3):
            await begun(Client(world, slug="form"))
    assert len(caplog.records) == 1


async def test_a56_strangers_write_one_event_a_minute_about_a_failing_prompt(world: World) -> None:
    form(world, prompt("a", initial_value="return user.nothing_at_all"))
    for _ in range(3):
        await begun(Client(world, slug="form"))
    assert len(await world.events("property_mapping_exception")) == 1


async def test_a_hidden_field_that_fails_refuses_and_is_tried_again(world: World) -> None:
    client = form(world, prompt("level", "hidden", initial_value="return ak_user_by(username='root').pk"))
    await begun(client)
    shown = await client.answer(component="ak-stage-prompt")
    assert shown["response_errors"]["non_field_errors"][0]["string"] == SERVER_SIDE_LOST
    await world.user("root")
    world.now += 6_000_000
    assert (await client.answer(component="ak-stage-prompt"))["component"] == "xak-flow-redirect"


async def test_choices_left_by_a_policy_count(world: World) -> None:
    judge = ExpressionPolicy(
        pk=pk(), name="rooms",
        expression="data = request.context['prompt_data']\ndata['room__choices'] = ['a', {'value': 2, 'label': 'B'}]\nreturn True",
    )  # fmt: skip
    floor, room = prompt("floor"), prompt("room", "dropdown", placeholder="return ['never']")
    world.change(judge, floor, room)
    first = PromptStage(pk=pk(), name="1", fields=(str(floor.pk),), validation_policies=(str(judge.pk),))
    world.flow("form", [first, PromptStage(pk=pk(), name="2", fields=(str(room.pk),))])
    client = Client(world, slug="form")
    await client.get()
    shown = await client.answer(component="ak-stage-prompt", floor="1")
    assert shown["fields"][0]["choices"] == [{"value": "a", "label": "a"}, {"value": "2", "label": "B"}]


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("return (", "line 1"),
        ("class A(dict):\n    pass\nreturn ''", "line 1, column 9: a class can only have an exception as its base"),
    ],
)
def test_what_cannot_run_is_refused_when_it_is_saved(source: str, fault: str) -> None:
    with pytest.raises(InvalidResource) as raised:
        Prompt.KIND.make("x", Prompt.KIND.values(prompt("a", initial_value=source)))
    (problem,) = raised.value.problems
    assert problem.field == "initial_value"
    assert fault in problem.message


def test_what_will_fail_is_told_when_it_is_saved() -> None:
    hidden = prompt("a", "hidden", initial_value="return usr.name")
    assert Prompt.KIND.advise is not None
    (problem,) = Prompt.KIND.advise(hidden)
    assert problem.field == "initial_value"
    assert problem.message == (
        "line 1, column 8: usr is not a name of a prompt; did you mean user?;"
        " when it gets there, answers to its form are refused"
    )
