"""Stock expressions cost nothing of the sandbox: nothing of it is loaded, and no worker runs anything."""

from __future__ import annotations

import uuid
from typing import NoReturn

import pytest

from ostiary.app.rooms import registry
from ostiary.directory.user import GroupRef, Subject, User
from ostiary.mappings import stock as mappings
from ostiary.mappings.claims import ClaimSet
from ostiary.mappings.mapping_context import MappingContext
from ostiary.mappings.scope_mapping import ScopeMapping
from ostiary.policies.context import PolicyContext
from ostiary.policies.decide import decide
from ostiary.policies.kinds.expression import ExpressionPolicy
from ostiary.policies.resources import PolicyBinding
from ostiary.policies.services import PolicyServices
from ostiary.policies.stock import SOURCES
from ostiary.sandbox.evaluation.evaluator import Evaluator
from ostiary.store.configuration.snapshot import Snapshot

TARGET = str(uuid.uuid4())
STAFF = GroupRef("g1", "staff", {})
ADA = Subject(
    user=User(
        pk=7, uuid="u", username="ada", name="Ada", email="ada@example.org", is_active=True, type="internal", path="users",
        attributes={}, password="!", last_login=None, date_joined=1, password_change_date=2, last_updated=3,
    ),
    uid="f" * 64, groups=(STAFF,), every_group=(STAFF,), all_groups=frozenset({"g1"}),
    all_group_names=frozenset({"staff"}), is_superuser=False, attributes={},
)  # fmt: skip


def load() -> NoReturn:
    raise AssertionError("the sandbox was loaded")


@pytest.mark.parametrize("source", [*SOURCES.values(), 'return ak_is_group_member(request.user, name="staff")'])
async def test_a_decision_with_a_stock_policy_loads_nothing(source: str) -> None:
    policy = ExpressionPolicy(pk=str(uuid.uuid4()), name="stock", expression=source)
    binding = PolicyBinding(pk=str(uuid.uuid4()), target=TARGET, policy=str(policy.pk), order=0)
    services = PolicyServices({Evaluator: Evaluator(load)}.__getitem__)
    snapshot = Snapshot.of(registry(), [policy, binding])
    context = PolicyContext(now=1, services=services, facts={"prompt_data": {}})
    decision = await decide(subject=ADA, target_pk=TARGET, mode="any", snapshot=snapshot, context=context)
    assert [step.how for step in decision.trace.steps] != ["executed"]


@pytest.mark.parametrize("name", ["NOTHING", "EMAIL", "PROFILE", "ENTITLEMENTS"])
async def test_claims_of_a_stock_mapping_load_nothing(name: str) -> None:
    mapping = ScopeMapping(pk="m", name="m", scope_name="x", expression=getattr(mappings, name))
    found = await ClaimSet([mapping]).claims(ADA, ("x",), MappingContext(now=1, evaluator=Evaluator(load)))
    assert not found.failed


async def test_any_other_expression_loads_it() -> None:
    mapping = ScopeMapping(pk="m", name="m", scope_name="x", expression="return {'x': user.pk + 1}")
    with pytest.raises(AssertionError, match="the sandbox was loaded"):
        await ClaimSet([mapping]).claims(ADA, ("x",), MappingContext(now=1, evaluator=Evaluator(load)))
