"""Policies that keep something: reputation and earlier passwords, with real sign-ins, on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from flows_world import PASSWORD, Client, World, bind, default_flow, pk

from ostiary.flows.prompt.field import Prompt
from ostiary.flows.stages.deny import DenyStage
from ostiary.flows.stages.prompt import PromptStage
from ostiary.flows.stages.user_write import UserWriteStage
from ostiary.policies.kinds.reputation import ReputationPolicy
from ostiary.policies.kinds.unique_password import UniquePasswordPolicy
from ostiary.policies.lookups.reputation import HIGHEST, LOWEST, Reputation
from ostiary.policies.resources import Policy
from ostiary.seal import Secret

SECOND = 1_000_000


def made(kind: type[Policy], **values: object) -> Any:
    return kind.KIND.make(pk(), kind.KIND.parse({"name": pk(), **values}))


async def fail(world: World, name: str = "jo", *, times: int = 1, address: str = "192.0.2.1") -> None:
    for _ in range(times):
        await Client(world, address=address).sign_in(name, "wrong")


async def scores(world: World) -> dict[tuple[str, str], int]:
    rows = await world.database.fetch("SELECT username, address, score FROM policies_reputation")
    return {(str(row["username"]), str(row["address"])): int(str(row["score"])) for row in rows}


class TestReputation:
    async def test_nothing_is_kept_while_nothing_compares_it(self, world: World) -> None:
        default_flow(world)
        await world.user()
        await fail(world)
        await Client(world).sign_in()
        assert await scores(world) == {}

    async def test_failures_lower_and_sign_ins_raise_the_score_within_bounds(self, world: World) -> None:
        default_flow(world)
        await world.user()
        world.change(made(ReputationPolicy))
        await fail(world, times=7)
        assert await scores(world) == {("jo", "address:192.0.2.1"): LOWEST}
        await Client(world).sign_in()
        assert await scores(world) == {("jo", "address:192.0.2.1"): LOWEST + 1}
        for _ in range(12):
            await Client(world).sign_in()
        assert await scores(world) == {("jo", "address:192.0.2.1"): HIGHEST}

    async def test_a68_a_name_that_nobody_has_is_not_kept(self, world: World) -> None:
        default_flow(world)
        await world.user()
        world.change(made(ReputationPolicy))
        await fail(world, "hunter2 my password", times=2)
        assert await scores(world) == {("", "address:192.0.2.1"): -2}

    async def test_neighbours_in_a_network_of_one_machine_share_the_score(self, world: World) -> None:
        default_flow(world)
        await world.user()
        world.change(made(ReputationPolicy))
        for last in range(3):
            await fail(world, address=f"2001:db8:1:2::{last}")
        assert await scores(world) == {("jo", "address:2001:db8:1:2::/64"): -3}

    async def test_scores_add_up_and_are_forgotten(self, world: World) -> None:
        default_flow(world)
        await world.user()
        await world.user("kim")
        world.change(made(ReputationPolicy))
        await fail(world, "jo", times=2)
        await fail(world, "jo", times=1, address="192.0.2.9")
        await fail(world, "kim", times=1)
        await fail(world, "nobody", times=1)
        reputation = world.program.service(Reputation)

        async def score(**values: Any) -> int:
            return await reputation.score(**{"username": None, "address": None, "now": world.now, **values})

        assert await score(username="jo") == -3
        assert await score(address="192.0.2.1") == -4
        assert await score(username="jo", address="192.0.2.1") == -5  # jo from anywhere, anybody from there
        assert await score() == 0
        assert await score(username="", address="192.0.2.77") == 0  # what strangers typed is nobody's score
        world.now += 86_400 * SECOND
        assert await score(username="jo", address="192.0.2.1") == 0
        await fail(world, "jo")
        assert await score(username="jo") == -1

    @pytest.mark.parametrize(
        ("values", "address", "denied"),
        [
            ({"check_ip": False}, "198.51.100.7", True),
            ({"check_username": False}, "198.51.100.7", False),
            ({"check_username": False}, "192.0.2.1", True),
            ({"check_ip": False, "threshold": -4}, "192.0.2.1", False),
        ],
    )
    async def test_a_stage_is_for_the_bad_ones(
        self, world: World, values: dict[str, Any], address: str, denied: bool
    ) -> None:
        default_flow(world)
        await world.user()
        policy, deny = made(ReputationPolicy, **{"threshold": -2, **values}), DenyStage(pk=pk(), name="deny")
        world.change(policy)
        flow = world.flow("suspicious", [deny])
        world.change(bind(world.binding(flow, deny), policy))
        await fail(world, times=3)
        client = Client(world, address=address)
        await client.sign_in()  # raises the score of the account at this address by one
        client.slug = "suspicious"
        shown = await client.get()
        assert (shown["component"] == "ak-stage-access-denied") is denied


def password_form(world: World, policy: Policy) -> Client:
    field = Prompt(pk=pk(), name=pk(), field_key="password", label="Password", type="password", required=True)
    world.change(field, policy)
    ask = PromptStage(pk=pk(), name=pk(), fields=(str(field.pk),), validation_policies=(str(policy.pk),))
    world.flow("change", [ask, UserWriteStage(pk=pk(), name=pk())])
    return Client(world, slug="change")


class TestUniquePassword:
    MESSAGE = "You had this password before. Choose another one."

    async def change(self, world: World, client: Client, old: str, new: str) -> list[str]:
        """Sign in and change the password; return what the page complains of."""
        client.cookies.clear()
        client.slug = "default-authentication-flow"
        await client.sign_in(password=old)
        client.slug = "change"
        await client.get()
        shown = await client.answer(component="ak-stage-prompt", password=new)
        world.now += 60 * SECOND
        return [one["string"] for one in shown.get("response_errors", {}).get("non_field_errors", ())]

    async def test_no_password_comes_back(self, world: World) -> None:
        default_flow(world)
        await world.user()
        client = password_form(world, made(UniquePasswordPolicy, num_historical_passwords=2))
        one, two, three = "first of the passwords", "second of the passwords", "third of the passwords"
        assert await self.change(world, client, PASSWORD, PASSWORD) == [self.MESSAGE]
        assert await self.change(world, client, PASSWORD, one) == []
        assert await self.change(world, client, one, one) == [self.MESSAGE]
        assert await self.change(world, client, one, two) == []
        assert await self.change(world, client, two, one) == [self.MESSAGE]
        assert await self.change(world, client, two, three) == []
        assert await self.change(world, client, three, two) == [self.MESSAGE]
        assert await self.change(world, client, three, one) == []  # only the last two are remembered
        rows = await world.database.fetch("SELECT password FROM policies_password_history")
        assert len(rows) == 2
        assert not any(text in str(row["password"]) for row in rows for text in (one, two, three))

    async def test_the_history_covers_commands_and_ends_with_the_policy_and_the_user(self, world: World) -> None:
        default_flow(world)
        await world.user()
        policy = made(UniquePasswordPolicy, num_historical_passwords=5)
        client = password_form(world, policy)
        await world.accounts.set_password("jo", Secret("given by a command"), now=world.now)
        assert await self.change(world, client, "given by a command", "given by a command") == [self.MESSAGE]
        world.drop(policy)
        await world.accounts.set_password("jo", Secret("another one by a command"), now=world.now)
        assert await world.database.fetch("SELECT password FROM policies_password_history") == []
