"""A76: a policy that cannot be evaluated makes no stage vanish, whatever joins it, and the log names it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, Literal

import pytest
from flows_world import PASSWORD, SLUG, Client, World, bind, default_flow, pk

from ostiary.flows.authenticators.totp.authenticator import TotpAuthenticator
from ostiary.flows.prompt.field import Prompt
from ostiary.flows.resources import Flow, FlowStageBinding, Stage
from ostiary.flows.room import ROOM
from ostiary.flows.run.planner import UNDECIDED
from ostiary.flows.stages.authenticator_validate import AuthenticatorValidateStage
from ostiary.flows.stages.consent import ConsentStage
from ostiary.flows.stages.deny import DenyStage
from ostiary.flows.stages.password import PasswordStage
from ostiary.flows.stages.prompt import PromptStage
from ostiary.flows.stages.user_logout import UserLogoutStage
from ostiary.policies.kinds.expression import ExpressionPolicy
from ostiary.policies.resources import PolicyBinding
from ostiary.store.workspace.commit import run

LOST = 'return request.context["geoip"]["country"] == "DE"'  # there are no places here
NO = "return False"


def policy(source: str) -> ExpressionPolicy:
    return ExpressionPolicy(pk=pk(), name=f"policy {pk()}", expression=source)


def only(
    world: World, stage: Stage, *sources: str, on_plan: bool = False, mode: Literal["all", "any"] = "any", **values: Any
) -> None:
    """Bind these policies to the stage's place, and nothing else."""
    flow = world.program.snapshot.find(Flow, slug=SLUG)
    assert flow is not None
    place = world.binding(flow, stage)
    world.drop(*world.program.snapshot.where(PolicyBinding, target=str(place.pk)))
    world.change(replace(place, evaluate_on_plan=on_plan, re_evaluate_policies=not on_plan, policy_engine_mode=mode))
    for order, source in enumerate(sources):
        made = policy(source)
        extra = values if source == LOST else {}
        world.change(made, replace(bind(place, made, **extra), order=order))


async def enrolled(world: World, name: str = "jo") -> None:
    user = await world.user(name)
    key = world.devices.kind(TotpAuthenticator).new_key()
    await world.database.write(
        lambda: run([world.devices.kind(TotpAuthenticator).add(user=user.pk, name="phone", key=key, now=world.now)])
    )


@pytest.mark.parametrize("on_plan", [True, False])
@pytest.mark.parametrize("values", [{}, {"negate": True}, {"failure_result": True}, {"timeout": 0}])
async def test_a76_the_second_factor_stays(
    world: World, client: Client, caplog: Any, values: dict[str, Any], *, on_plan: bool
) -> None:
    house = default_flow(world)
    await enrolled(world)
    only(world, house.mfa, LOST, on_plan=on_plan, **values)
    with caplog.at_level(logging.WARNING, logger="ostiary.evaluation"):
        assert (await client.sign_in())["component"] == "ak-stage-authenticator-validate"
    assert (await client.session()).user is None
    assert "cannot be evaluated" in caplog.text
    assert PASSWORD not in caplog.text
    assert await world.events("policy_exception")


@pytest.mark.parametrize(
    ("mode", "sources", "left"),
    [
        ("any", (NO, LOST), False),  # had it passed, the stage would be there
        ("all", (NO, LOST), True),  # the stage is left out whatever it says
        ("all", ("return True", LOST), False),
        ("any", (NO,), True),
    ],
)
async def test_a76_only_a_verdict_that_hangs_on_it_is_changed(
    small_world: World, mode: Literal["all", "any"], sources: tuple[str, ...], *, left: bool
) -> None:
    house = default_flow(small_world)
    await enrolled(small_world)
    only(small_world, house.mfa, *sources, mode=mode)
    shown = (await Client(small_world).sign_in())["component"]
    assert shown == ("xak-flow-redirect" if left else "ak-stage-authenticator-validate")


@pytest.mark.parametrize("on_plan", [True, False])
async def test_a76_a_stage_that_lets_in_refuses_the_flow(world: World, client: Client, *, on_plan: bool) -> None:
    house = default_flow(world)
    await world.user()
    only(world, house.login, LOST, on_plan=on_plan)
    shown = await client.get() if on_plan else await client.sign_in()
    assert (shown["component"], shown["error_message"]) == ("ak-stage-access-denied", UNDECIDED)
    assert (await client.session()).user is None


async def test_a76_a_refusal_stays_a_refusal(small_world: World) -> None:
    house = default_flow(small_world)
    deny = DenyStage(pk=pk(), name="deny")
    small_world.change(deny, FlowStageBinding(pk=pk(), target=str(house.flow.pk), stage=str(deny.pk), order=-1))
    only(small_world, deny, LOST)
    assert (await Client(small_world).get())["component"] == "ak-stage-access-denied"


async def test_a76_a_flow_whose_own_policy_fails_is_refused_even_if_it_would_move_on(small_world: World) -> None:
    house = default_flow(small_world)
    made = policy(LOST)
    small_world.change(replace(house.flow, denied_action="continue"))
    small_world.change(made, bind(house.flow, made))
    shown = await Client(small_world).get()
    assert (shown["component"], shown["error_message"]) == ("ak-stage-access-denied", UNDECIDED)


async def test_the_log_names_it_once_a_minute(small_world: World, caplog: Any) -> None:
    house = default_flow(small_world)
    only(small_world, house.mfa, LOST, on_plan=True)

    async def lines() -> int:
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="ostiary.evaluation"):
            for _ in range(3):
                await Client(small_world).get()
        return len(caplog.records)

    assert await lines() == 2  # the policy, and what becomes of the stage
    assert await lines() == 0
    small_world.now += 60_000_000
    assert await lines() == 2


def test_which_stages_are_guards() -> None:
    guards = {one for one in ROOM.kinds if issubclass(one, Stage) and one.GUARD}
    assert guards == {PasswordStage, AuthenticatorValidateStage, DenyStage, ConsentStage, UserLogoutStage}


async def test_a_value_of_the_servers_own_that_cannot_be_worked_out_is_not_written(
    small_world: World, caplog: Any
) -> None:
    prompt = Prompt(
        pk=pk(), name="level", field_key="attributes.level", label="", type="hidden",
        initial_value='return ak_user_by(username="root").level', initial_value_expression=True,
    )  # fmt: skip
    stage = PromptStage(pk=pk(), name="ask", fields=(str(prompt.pk),))
    small_world.change(prompt)
    small_world.flow("ask", [stage])
    client = Client(small_world, slug="ask")
    await client.get()
    with caplog.at_level(logging.WARNING, logger="ostiary.evaluation"):
        shown = await client.answer(component="ak-stage-prompt")
    assert shown["component"] == "ak-stage-prompt"
    assert list(shown["response_errors"]) == ["non_field_errors"]
    assert "level" in caplog.text
