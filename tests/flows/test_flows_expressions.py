"""Expression policies in flows: they see the plan, and what they change in it is there for the stages behind."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from flows_world import SLUG, Client, World, bind, default_flow, pk

from ostiary.flows.prompt.field import Prompt
from ostiary.flows.resources import Flow, Stage
from ostiary.flows.stages.deny import DenyStage
from ostiary.flows.stages.prompt import PromptStage
from ostiary.flows.stages.user_write import UserWriteStage
from ostiary.policies.kinds.expression import ExpressionPolicy
from ostiary.policies.resources import PolicyBinding


def policy(source: str, **values: Any) -> ExpressionPolicy:
    return ExpressionPolicy(pk=pk(), name=f"policy {pk()}", expression=source, **values)


def only(world: World, flow: Flow, stage: Stage, source: str, **values: Any) -> ExpressionPolicy:
    """Bind this policy to the stage's place, and nothing else."""
    place = world.binding(flow, stage)
    world.drop(*world.program.snapshot.where(PolicyBinding, target=str(place.pk)))
    made = policy(source)
    world.change(made, bind(place, made, **values))
    return made


async def asked(world: World, source: str, **context: Any) -> str:
    """Return whether a stage is taken that is guarded by a policy, behind a prompt with an e-mail address."""
    prompt = Prompt(pk=pk(), name="address", field_key="email", label="Address", type="email")
    ask, deny = PromptStage(pk=pk(), name="ask", fields=(str(prompt.pk),)), DenyStage(pk=pk(), name="deny")
    world.change(prompt)
    flow = world.flow("ask", [ask, deny])
    only(world, flow, deny, source)
    client = Client(world, slug="ask")
    await client.get()
    shown = await client.answer(component="ak-stage-prompt", email=context.get("email", "ada@example.org"))
    return str(shown["component"])


@pytest.mark.parametrize(
    ("source", "taken"),
    [
        ('return request.context["prompt_data"]["email"].endswith("@example.org")', True),
        ('return request.context["prompt_data"]["email"].endswith("@example.com")', False),
        ('return context["flow_plan"].context["prompt_data"]["email"] == "ada@example.org"', True),
        ('return request.http_request.method == "GET" and http_request.path.endswith("/ask/")', True),
        ('return ak_client_ip in ip_network("192.0.2.0/24")', True),
        ('return ak_client_ip in ip_network("198.51.100.0/24")', False),
        ("return request.user.is_authenticated", False),
        ("return 'flow_plan' not in request.context", False),
    ],
)
async def test_a_policy_sees_the_plan_and_the_request(small_world: World, source: str, *, taken: bool) -> None:
    shown = await asked(small_world, source)
    assert shown == ("ak-stage-access-denied" if taken else "xak-flow-redirect")


async def test_what_an_expression_writes_into_prompt_data_is_written_to_the_user(small_world: World) -> None:
    world = small_world
    prompt = Prompt(pk=pk(), name="address", field_key="email", label="Address", type="email")
    ask = PromptStage(pk=pk(), name="ask", fields=(str(prompt.pk),))
    write = UserWriteStage(pk=pk(), name="write", user_creation_mode="always_create")
    world.change(prompt)
    flow = world.flow("enrol", [ask, write], designation="enrollment")
    source = """
data = request.context["prompt_data"]
data["username"] = data["email"].split("@")[0]
context["flow_plan"].context["user_path"] = "guests"
return True
"""
    only(world, flow, write, source)
    client = Client(world, slug="enrol")
    await client.get()
    await client.answer(component="ak-stage-prompt", email="ada@example.org")
    made = await world.users.by_username("ada")
    assert made is not None
    assert (made.email, made.path) == ("ada@example.org", "guests")


async def test_a_validation_policy_refuses_with_its_message_and_may_change_the_answers(small_world: World) -> None:
    world = small_world
    prompt = Prompt(pk=pk(), name="address", field_key="email", label="Address", type="email")
    judge = policy(
        """
data = request.context["prompt_data"]
if not data["email"].endswith("@example.org"):
    ak_message("Only addresses of this house")
    return False
data["username"] = data["email"].split("@")[0]
return True
"""
    )
    ask = PromptStage(pk=pk(), name="ask", fields=(str(prompt.pk),), validation_policies=(str(judge.pk),))
    world.change(prompt, judge)
    write = UserWriteStage(pk=pk(), name="write", user_creation_mode="always_create")
    world.flow("enrol", [ask, write], designation="enrollment")
    client = Client(world, slug="enrol")
    await client.get()
    wrong = await client.answer(component="ak-stage-prompt", email="ada@example.com")
    assert wrong["response_errors"]["non_field_errors"][0]["string"] == "Only addresses of this house"
    await client.answer(component="ak-stage-prompt", email="ada@example.org")
    assert await world.users.by_username("ada") is not None


async def test_a_mail_is_queued_with_the_decision(small_world: World) -> None:
    assert await asked(small_world, 'return ak_send_email("keeper@example.org", "s", body="b")')
    (task,) = await small_world.database.fetch("SELECT args FROM task WHERE name = 'mail.send'")
    assert "keeper@example.org" in str(task["args"])


async def test_a_policy_that_fails_says_where_and_its_stage_stays(world: World, client: Client, caplog: Any) -> None:
    house = default_flow(world)
    await world.user()
    only(world, house.flow, house.password, 'ok = True\nreturn request.context["nowhere"]')
    with caplog.at_level(logging.WARNING, logger="ostiary.evaluation"):
        await client.get()
        shown = await client.answer(component="ak-stage-identification", uid_field="jo")
    assert shown["component"] == "ak-stage-password"
    assert "line 2: KeyError: nowhere" in caplog.text
    (event,) = await world.events("policy_exception")
    assert event["context"]["message"].startswith("line 2: KeyError")


async def test_a79_an_expression_makes_no_proof(small_world: World) -> None:
    """What stages note as proven is theirs: an expression neither adds it nor passes it on to somebody else."""
    world = small_world
    house = default_flow(world)
    ada = await world.user("ada")
    await world.user()
    source = """
plan = context["flow_plan"].context
plan["user_backend"] = "authentik.core.auth.InbuiltBackend"
plan["auth_method"] = "password"
plan["is_restored"] = {"user": context["pending_user"].pk}
plan["colour"] = "red"
return True
"""
    only(world, house.flow, house.password, source)
    client = Client(world)
    await client.get()
    assert (await client.answer(component="ak-stage-identification", uid_field="jo"))[
        "component"
    ] == "ak-stage-password"
    plan = await world.services.plans.latest((await client.session()).key, SLUG, now=world.now)
    assert plan is not None
    assert plan.context["colour"] == "red"
    assert not {"user_backend", "auth_method", "is_restored"} & set(plan.context)
    assert ada.pk


async def test_a79_a_proof_does_not_pass_to_another_person(small_world: World) -> None:
    world = small_world
    house = default_flow(world)
    await world.user("ada")
    await world.user()
    takes_over = 'context["flow_plan"].context["pending_user"] = ak_user_by(username="ada")\nreturn True'
    only(world, house.flow, house.mfa, takes_over)
    prompt = Prompt(pk=pk(), name="word", field_key="word", label="Word", type="text")
    asks = PromptStage(pk=pk(), name="wait", fields=(str(prompt.pk),))
    world.change(prompt, asks, replace(world.binding(house.flow, house.login), stage=str(asks.pk)))
    client = Client(world)
    await client.sign_in()
    plan = await world.services.plans.latest((await client.session()).key, SLUG, now=world.now)
    assert plan is not None
    pending = plan.context["pending_user"]
    assert isinstance(pending, dict)
    assert pending["username"] == "ada"
    assert not {"user_backend", "auth_method"} & set(plan.context)
