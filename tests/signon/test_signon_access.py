"""Who may use an application: the decision, a list, and what a refusal writes."""

from __future__ import annotations

import uuid
from typing import Literal

import pytest

from ostiary.applications.resources import Application
from ostiary.applications.room import ROOM as APPLICATIONS
from ostiary.directory.user import Subject, User
from ostiary.policies.kinds.expression import ExpressionPolicy
from ostiary.policies.resources import PolicyBinding
from ostiary.policies.room import ROOM as POLICIES
from ostiary.policies.services import NO_SERVICES
from ostiary.resource import Registry
from ostiary.signon.access import accessible, decide_access
from ostiary.store.configuration.snapshot import Snapshot

NOW = 1_800_000_000_000_000
REGISTRY = Registry([*POLICIES.kinds, *APPLICATIONS.kinds])
NO_ANSWER = ExpressionPolicy(pk=str(uuid.uuid4()), name="no answer", expression="import os\nreturn os.getpid()")


def person(pk: int, *groups: str) -> Subject:
    user = User(
        pk=pk, uuid="u", username="jo", name="Jo", email="jo@example.org", is_active=True, type="internal", path="users", attributes={}, password="!", last_login=None, date_joined=NOW, password_change_date=NOW, last_updated=NOW
    )  # fmt: skip
    return Subject(
        user=user,
        uid="uid",
        groups=(),
        every_group=(),
        all_groups=frozenset(groups),
        all_group_names=frozenset(),
        is_superuser=False,
        attributes={},
    )


def application(slug: str, mode: Literal["all", "any"] = "any") -> Application:
    return Application(pk=str(uuid.uuid4()), name=slug, slug=slug, policy_engine_mode=mode)


def binding(target: Application, order: int, **who: object) -> PolicyBinding:
    return PolicyBinding(pk=str(uuid.uuid4()), target=str(target.pk), order=order, **who)  # type: ignore[arg-type]


@pytest.mark.parametrize(("mode", "allowed"), [("any", True), ("all", False)])
async def test_the_mode_of_the_application_counts(mode: Literal["all", "any"], allowed: bool) -> None:
    item = application("wiki", mode)
    bindings = [binding(item, 0, group="staff"), binding(item, 1, group="admins")]
    snapshot = Snapshot.of(REGISTRY, [item, *bindings])
    access = await decide_access(
        subject=person(7, "staff"),
        application=item,
        snapshot=snapshot,
        client_ip=None,
        now=NOW,
        policy_services=NO_SERVICES,
    )
    assert access.allowed is allowed


async def test_what_could_not_be_evaluated_comes_with_an_event() -> None:
    item = application("wiki")
    snapshot = Snapshot.of(REGISTRY, [item, NO_ANSWER, binding(item, 0, policy=NO_ANSWER.pk)])
    access = await decide_access(
        subject=person(7), application=item, snapshot=snapshot, client_ip=None, now=NOW, policy_services=NO_SERVICES
    )
    assert not access.allowed
    assert len(access.events) == 1


async def test_a_list_has_what_the_person_may_use_in_its_order() -> None:
    forge, wiki, chat = application("forge"), application("wiki"), application("chat")
    snapshot = Snapshot.of(REGISTRY, [forge, wiki, chat, binding(wiki, 0, user=8), binding(chat, 0, user=7)])
    found = await accessible(
        [wiki, forge, chat], subject=person(7), snapshot=snapshot, now=NOW, policy_services=NO_SERVICES
    )
    assert found == [forge, chat]
