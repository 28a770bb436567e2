"""Fields in place of objects: nothing changes but the cost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from ostiary.directory.user import GroupRef, Subject, User
from ostiary.sandbox.evaluation.conversion import result_of
from ostiary.sandbox.evaluation.expression_context import ExpressionContext
from ostiary.sandbox.evaluation.inputs import program_inputs
from ostiary.sandbox.evaluation.object_fields import NOBODY, group_fields
from ostiary.sandbox.language import program
from ostiary.sandbox.language.fields import GROUP, PERSON, FieldAccess
from ostiary.sandbox.language.names import MAPPING, POLICY, Dialect
from ostiary.sandbox.workers import Aborted, HostFunction, Program, Workers

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workers() -> AsyncIterator[Workers]:
    workers = Workers()
    yield workers
    await workers.close()


STAFF, HOUSE = GroupRef("g1", "staff", {"floor": 2}), GroupRef("g2", "house", {})
ADA = Subject(
    user=User(
        pk=7, uuid="u", username="ada", name="Ada", email="ada@example.org", is_active=True, type="internal", path="users",
        attributes={"quota": 5}, password="!", last_login=None, date_joined=1, password_change_date=2, last_updated=3,
    ),
    uid="f" * 64, groups=(STAFF,), every_group=(STAFF, HOUSE), all_groups=frozenset({"g1", "g2"}),
    all_group_names=frozenset({"staff", "house"}), is_superuser=False, attributes={"floor": 2, "quota": 5},
)  # fmt: skip

READS = {
    "a field": "return request.user.username.startswith('a')",
    "every field": "return [" + ", ".join(f"str(request.user.{name})" for name in sorted(PERSON)) + "]",
    "the variable": "return {'name': user.name, 'attributes': user.attributes}",
    "another name for the person": "who = request.user\nif who.is_active:\n    return who.email\nreturn None",
    "the name of the variable": "user = request.user\nreturn (lambda: user.email)()",
    "a group by its name": "return ak_is_group_member(request.user, name='staff')",
    "a group by a name that is computed": "return [ak_is_group_member(request.user, name=n) for n in ['staff', 'x', None]]",
    "names of groups": "return {'groups': [group.name for group in user.ak_groups.all()]}",
    "names of groups by fields": "return sorted(user.groups.values_list('name', flat=True))",
    "own groups by name": "return [user.ak_groups.filter(name=name).exists() for name in ('staff', 'house', 'x')]",
    "groups in a loop": "found = []\nfor group in user.all_groups():\n    found.append((group.pk, group.attributes))\nreturn found",
    "groups twice": "return [a.name for a in user.groups.all() if a.name in {b.name for b in user.ak_groups.all()}]",
    "merged attributes": "return user.group_attributes().get('floor', 0)",
    "merged attributes of a request": "return [user.group_attributes(request), request.user.group_attributes(request)]",
    "an attribute that is not there": "return user.attributes['nothing']",
}
POLICY_READS = {
    "facts": "return [request.context['a'], request.context.get('b', 7), 'a' in request.context, 'c' not in context]",
    "a fact that is not there": "return request.context['b']",
    "a fact of another name": "return context.get('a') == request.context.get('a')",
}
OBJECTS = {
    "an object in a list": "return [user] == [request.user]",
    "a field that is none": "return hasattr(user, 'nothing')",
    "a method": "return user.has_usable_password()",
    "a field that is set": "user.name = 'x'\nreturn request.user.name",
    "two names": "who = user\nwho = None\nreturn who is None",
    "a name before": "try:\n    who.name\nexcept NameError:\n    pass\nwho = user\nreturn who.name",
    "a group as it is": "return [str(group) for group in user.ak_groups.all()]",
    "a loop whose variable comes again": "for g in user.groups.all():\n    pass\ng = 1\nreturn g",
    "a query set": "return user.ak_groups.all().count()",
    "attributes by computed names": "return getattr(user, 'na' + 'me')",
    "a variable named as ours": "given_user = 1\nreturn user.name",
    "a filter by another field": "return ak_is_group_member(user, pk='g1')",
}
POLICY_OBJECTS = {
    "all facts": "return sorted(request.context)",
    "a fact that changes": "request.context['a'] = 5\nreturn request.context['a']",
    "the plan": "return request.context.get('flow_plan') is None",
    "context under another name": "held = request.context\nreturn held['a']",
}


async def ran(workers: Workers, source: str, dialect: Dialect) -> object:
    """Return the result of an expression, or the text of its failure."""
    prepared = program.prepare.__wrapped__(source, dialect)
    seen = ExpressionContext(subject=ADA, now=1, facts={"a": 1, "z": [2]})
    outcome = await workers.run(Program(prepared.source), inputs=program_inputs(prepared, seen, {}), functions=NONE)
    if isinstance(outcome, Aborted):
        return outcome.message
    found = result_of(outcome, dialect)
    return found.passing, found.value, found.effects


NONE: dict[str, HostFunction] = {}


def cases(*several: tuple[dict[str, str], Dialect]) -> list[Any]:
    return [pytest.param(text, dialect, id=name) for found, dialect in several for name, text in found.items()]


EVERY = cases((READS, MAPPING), (POLICY_READS, POLICY), (OBJECTS, MAPPING), (POLICY_OBJECTS, POLICY))


@pytest.mark.parametrize(("source", "dialect"), EVERY)
async def test_the_result_is_the_same(
    workers: Workers, source: str, dialect: Dialect, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await ran(workers, source, dialect)
    monkeypatch.setattr(program, "read_fields", lambda body, *_: FieldAccess(body))
    assert found == await ran(workers, source, dialect)


@pytest.mark.parametrize(("source", "dialect"), cases((READS, MAPPING), (POLICY_READS, POLICY)))
async def test_what_is_read_alone_makes_no_object(source: str, dialect: Dialect) -> None:
    prepared = program.prepare(source, dialect)
    assert "class" not in prepared.source.partition("exec(")[0]
    assert prepared.values <= {"given_user", "given_group_names", "given_facts"}


@pytest.mark.parametrize(("source", "dialect"), cases((OBJECTS, MAPPING), (POLICY_OBJECTS, POLICY)))
async def test_whatever_else_is_done_keeps_the_object(source: str, dialect: Dialect) -> None:
    assert {"given_user", "given_context"} & program.prepare(source, dialect).values
    assert program.prepare(source, dialect).fields == frozenset()


async def test_everybody_has_the_fields() -> None:
    assert NOBODY.keys() >= PERSON
    assert group_fields(GroupRef("g", "g", {})).keys() == GROUP
