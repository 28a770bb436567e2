"""Mappings whose expression is run: what they give, what makes them give nothing, and what else they want."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
import pytest_asyncio

from ostiary.directory.authenticators.devices import Devices
from ostiary.directory.rows.found import Finder
from ostiary.directory.user import GroupRef, Subject, User
from ostiary.directory.users import Users
from ostiary.mappings.claims import Claims, ClaimSet, combined
from ostiary.mappings.mapping_context import MappingContext
from ostiary.mappings.mapping_events import mapping_statements
from ostiary.mappings.scope_mapping import ScopeMapping
from ostiary.resource import InvalidResource
from ostiary.sandbox.evaluation.evaluator import Evaluator
from ostiary.sandbox.evaluation.functions import Functions
from ostiary.sandbox.evaluation.result import Effects, WantedEvent
from ostiary.sandbox.evaluation.runner import Runner
from ostiary.sandbox.workers import Workers

PROVIDER = {"pk": 3, "name": "wiki", "client_id": "wiki", "_application": {"_kind": "application", "pk": "a", "name": "Wiki", "slug": "wiki"}}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def evaluator() -> AsyncIterator[Evaluator]:
    functions = Functions(cast("Users", None), cast("Devices", None), cast("Finder", None))
    made = Evaluator(lambda: Runner(Workers(), functions))
    yield made
    await made.close()


pytestmark = pytest.mark.asyncio(loop_scope="module")


def subject() -> Subject:
    user = User(
        pk=7, uuid="u", username="ada", name="Ada", email="ada@example.org", is_active=True, type="internal", path="users", attributes={"quota": 5}, password="!", last_login=None, date_joined=0, password_change_date=0, last_updated=0
    )  # fmt: skip
    staff = GroupRef("g1", "staff", {"floor": 2})
    return Subject(
        user=user, uid="f" * 64, groups=(staff,), every_group=(staff,), all_groups=frozenset({"g1"}),
        all_group_names=frozenset({"staff"}), is_superuser=False, attributes={"floor": 2, "quota": 5},
    )  # fmt: skip


def mapping(expression: str, name: str = "x", scope: str = "x") -> ScopeMapping:
    return ScopeMapping(pk=name, name=name, scope_name=scope, expression=expression)


async def told(evaluator: Evaluator | None, *mappings: ScopeMapping, **values: Any) -> Claims:
    mapping_context = MappingContext(now=1, evaluator=evaluator, provider=PROVIDER, client_ip="192.0.2.1", **values)
    scopes = tuple(dict.fromkeys(item.scope_name for item in mappings))
    return await ClaimSet(mappings).claims(subject(), scopes, mapping_context)


@pytest.mark.parametrize(
    ("expression", "claims"),
    [
        ('return {"groups": [group.name for group in user.groups.all() if group.name != "x"]}', {"groups": ["staff"]}),
        ('return {"role": "admin" if ak_is_group_member(request.user, name="staff") else "user"}', {"role": "admin"}),
        ('return {"app": provider.application.slug, "client": provider.client_id}', {"app": "wiki", "client": "wiki"}),
        ("return {'quota': user.group_attributes().get('quota', 1), 'floor': user.group_attributes()['floor']}", {"quota": 5, "floor": 2}),
        ("claims = {}\nfor group in user.groups.all():\n    claims[group.name] = True\nreturn claims", {"staff": True}),
        ("return None if user.is_superuser else {}", {}),
        ("if user.is_superuser:\n    return {'a': 1}", {}),
        ("return {'since': user.date_joined, 'who': str(user)}", {"since": "1970-01-01T00:00:00+00:00", "who": "ada"}),
        ("return {'entitled': [one.name for one in user.app_entitlements(provider.application)]}", {"entitled": []}),
    ],
)  # fmt: skip
async def test_what_a_mapping_gives(evaluator: Evaluator, expression: str, claims: dict[str, object]) -> None:
    found = await told(evaluator, mapping(expression))
    assert (found.values, found.failed) == (claims, ())


async def test_mappings_merge_in_the_order_of_scopes_and_names(evaluator: Evaluator) -> None:
    found = await told(
        evaluator,
        mapping('return {"list": [user.name + "!"], "deep": {"b": len(user.name)}}', "2"),
        mapping('return {"list": ["first"], "deep": {"a": 1}, "name": request.user.name}', "1"),
    )
    assert found.values == {"list": ["first", "Ada!"], "deep": {"a": 1, "b": 3}, "name": "Ada"}


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("return [user.name + 'x']", "returned a list, not a dictionary"),
        ("return {'one': {'two': user}}", "returned an object as one: name one of its fields"),
        ("return {\n  'a': user.nothing,\n}", "line 2: AttributeError: 'User' object has no attribute 'nothing'"),
        ("return {'f': len}", "cannot leave the expression"),
        ("class A(dict):\n    pass\nreturn {}", "line 1, column 9: a class can only have an exception as its base"),
        ("return {'n': float('nan')}", "a value of the type float cannot be told"),
    ],
)
async def test_what_cannot_be_told_is_left_out_with_its_reason(
    evaluator: Evaluator, expression: str, reason: str
) -> None:
    found = await told(evaluator, mapping(expression), mapping('return {"b": user.name + "!"}', "y"))
    assert found.values == {"b": "Ada!"}
    (failed,) = found.failed
    assert reason in failed.reason


async def test_a_mapping_that_skips_gives_nothing_and_is_no_failure(evaluator: Evaluator) -> None:
    source = "try:\n    raise SkipObject\nexcept Exception:\n    return {'a': 1}"
    found = await told(evaluator, mapping(source))
    assert (found.values, found.failed) == ({}, ())


async def test_events_of_mappings_are_for_the_batch_of_the_caller(evaluator: Evaluator) -> None:
    found = await told(evaluator, mapping("ak_create_event('told', who=user)\nreturn {}"))
    (event,) = mapping_statements(found, user={"pk": 7}, client_ip=None, now=1)
    assert "custom_told" in event.parameters


async def test_single_claims_run_only_the_mappings_that_name_them(evaluator: Evaluator) -> None:
    claims = ClaimSet([
        mapping('return {"badge": user.name + "!", "other": 1}', "1", "one"),
        mapping('ak_create_event("run")\nreturn {"else": user.name + "!"}', "2", "two"),
    ])  # fmt: skip
    assert claims.claim_names() == ("badge", "other", "else")
    found = await claims.pick(subject(), {"badge"}, MappingContext(now=1, evaluator=evaluator))
    assert (found.values, [effects.events for _, effects in found.effects]) == ({"badge": "Ada!"}, [()])


async def test_failures_and_effects_of_two_askings_are_joined() -> None:
    await asyncio.sleep(0)
    wanted = ("x", Effects(events=(WantedEvent("a", {}),)))
    joined = combined(Claims({"a": 1}, (), (wanted,)), Claims({"b": 1}, (), (wanted,)))
    assert (joined.values, joined.effects) == ({"a": 1}, (wanted, wanted))


async def test_a_mapping_that_cannot_run_is_refused_when_it_is_saved() -> None:
    await asyncio.sleep(0)
    with pytest.raises(InvalidResource, match="line 1, column 15: the value of yield"):
        ScopeMapping.KIND.make("x", ScopeMapping.KIND.values(mapping("return {'a': (yield)}")))
