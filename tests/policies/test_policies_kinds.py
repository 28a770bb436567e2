"""The kinds of policies that bring rules of their own: what each says, and what it wants done."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.directory.user import Subject, User
from ostiary.policies.context import PolicyContext
from ostiary.policies.decide import Decision, decide
from ostiary.policies.kinds.dummy import DummyPolicy
from ostiary.policies.kinds.event_matcher import EventMatcherPolicy
from ostiary.policies.kinds.password import PasswordPolicy, broken_rules, rules_in_words, strength
from ostiary.policies.kinds.password_expiry import PasswordExpiryPolicy
from ostiary.policies.lookups.leaked_passwords import LeakedPasswords
from ostiary.policies.resources import Policy, PolicyBinding
from ostiary.policies.room import ROOM
from ostiary.policies.services import NO_SERVICES, PolicyServices
from ostiary.resource import InvalidResource, Registry
from ostiary.store.configuration.snapshot import Snapshot

NOW = 1_800_000_000_000_000
DAY = 86_400_000_000
TARGET = str(uuid.uuid4())
REGISTRY = Registry(ROOM.kinds)


def subject(*, password: str = "hash", changed: int = NOW) -> Subject:
    user = User(
        pk=7, uuid="u", username="robin", name="Robin Example", email="robin@wood.example", is_active=True,
        type="internal", path="users", attributes={}, password=password, last_login=None, date_joined=NOW,
        password_change_date=changed, last_updated=NOW,
    )  # fmt: skip
    return Subject(
        user=user, uid="uid", groups=(), every_group=(), all_groups=frozenset(), all_group_names=frozenset(),
        is_superuser=False, attributes={},
    )  # fmt: skip


async def decided(
    policy: Policy,
    *,
    who: Subject | None = None,
    services: PolicyServices = NO_SERVICES,
    timeout: int = 30,
    trial: bool = False,
    address: str | None = None,
    **facts: object,
) -> Decision:
    bound = PolicyBinding(pk=str(uuid.uuid4()), policy=str(policy.pk), target=TARGET, order=0, timeout=timeout)
    context = PolicyContext(now=NOW, client_ip=address, facts=facts, services=services, trial=trial)
    snapshot = Snapshot.of(REGISTRY, [policy, bound])
    return await decide(subject=who, target_pk=TARGET, mode="any", snapshot=snapshot, context=context)


def made(kind: type[Policy], **values: object) -> Any:
    return kind.KIND.make(str(uuid.uuid4()), kind.KIND.parse({"name": "p", **values}))


class TestDummy:
    @pytest.mark.parametrize("result", [True, False])
    async def test_it_says_what_it_is_set_to(self, result: bool) -> None:
        assert (await decided(made(DummyPolicy, result=result, wait_min=0, wait_max=0))).passing is result

    async def test_it_waits_so_that_a_timeout_can_be_tried(self) -> None:
        found = await decided(made(DummyPolicy, result=True, wait_min=20, wait_max=30), timeout=1)
        assert [step.error for step in found.trace.steps] == ["took longer than 1 seconds"]
        assert (await decided(made(DummyPolicy, result=True, wait_min=20, wait_max=30), timeout=1, trial=True)).passing

    def test_it_cannot_wait_less_than_at_least(self) -> None:
        with pytest.raises(InvalidResource, match="expected at least wait_min"):
            made(DummyPolicy, wait_min=3, wait_max=2)


class TestPasswordExpiry:
    @pytest.mark.parametrize(("age", "passing"), [(0, True), (30 * DAY - 1, True), (30 * DAY, False)])
    async def test_the_age_of_the_password_counts(self, age: int, passing: bool) -> None:
        policy = made(PasswordExpiryPolicy, days=30, deny_only=True)
        found = await decided(policy, who=subject(changed=NOW - age))
        assert found.passing is passing
        assert found.events == ()
        assert found.messages == (() if passing else ("The password has expired.",))

    async def test_nobody_has_no_old_password(self) -> None:
        assert (await decided(made(PasswordExpiryPolicy, days=30))).passing

    async def test_an_expired_password_becomes_unusable_but_only_that_one(self) -> None:
        found = await decided(made(PasswordExpiryPolicy, days=30), who=subject(changed=NOW - 32 * DAY))
        assert found.messages == ("The password expired 2 days ago. Set a new one.",)
        (statement,) = found.events
        assert str(statement.parameters[0]).startswith("!")
        assert statement.parameters[1:] == (NOW, 7, "hash")

    async def test_nothing_is_written_in_a_trial_nor_for_who_has_no_password(self) -> None:
        policy = made(PasswordExpiryPolicy, days=30)
        assert (await decided(policy, who=subject(changed=0), trial=True)).events == ()
        assert (await decided(policy, who=subject(changed=0, password="!x"))).events == ()


class TestEventMatcher:
    EVENT: Mapping[str, object] = {
        "action": "model_updated",
        "app": "authentik_core",
        "client_ip": "192.0.2.1",
        "context": {"model": {"app": "authentik_core", "model_name": "user"}},
    }

    @pytest.mark.parametrize(
        ("values", "passing"),
        [
            ({"action": "model_updated"}, True),
            ({"action": "login"}, False),
            ({"client_ip": "192.0.2.1", "app": "authentik_core"}, True),
            ({"client_ip": "192.0.2.2", "app": "authentik_core"}, False),
            ({"model": "authentik_core.user"}, True),
            ({"model": "authentik_core.group"}, False),
        ],
    )
    async def test_all_that_is_set_must_be_equal(self, values: dict[str, object], passing: bool) -> None:
        assert (await decided(made(EventMatcherPolicy, **values), event=self.EVENT)).passing is passing

    async def test_without_an_event_or_a_value_it_cannot_be_evaluated(self) -> None:
        compares, event = made(EventMatcherPolicy, action="login"), self.EVENT
        for found in (await decided(compares), await decided(made(EventMatcherPolicy), event=event)):
            (step,) = found.trace.steps
            assert step.how == "failed"

    def test_an_action_that_no_event_has_is_refused(self) -> None:
        with pytest.raises(InvalidResource, match="no event has the action 'logn'"):
            made(EventMatcherPolicy, action="logn")


class TestStrength:
    def test_what_everybody_tries_first_is_weak(self) -> None:
        for text in ("password", "Password1!", "qwertyuiop", "aaaaaaaaaaaa", "12345678", "letmein123", "ostiary2026"):
            assert strength(text) <= 2, text
        assert strength("correct horse battery") > 2
        assert strength("x9$Lq2!vTz") > 2

    def test_the_names_of_the_user_are_weak(self) -> None:
        names = ("robin.woodhouse", "Robin Woodhouse", "robin@woodhouse.example")
        assert strength("robin.woodhouse") > 2
        assert strength("robin.woodhouse", names) <= 2
        assert strength("woodhouse", names) <= 2

    def test_the_threshold_must_be_passed(self) -> None:
        scores = {text: strength(text) for text in ("password", "correct horse battery staple")}
        assert scores == {"password": 0, "correct horse battery staple": 4}
        for text, score in scores.items():
            for threshold in range(5):
                policy = made(PasswordPolicy, check_zxcvbn=True, zxcvbn_score_threshold=threshold)
                assert bool(broken_rules(policy, text)) is (score <= threshold)

    @given(st.text(max_size=3000))
    def test_any_text_has_a_score(self, text: str) -> None:
        assert 0 <= strength(text, [text[:20]]) <= 4

    async def test_the_names_come_from_the_account_and_from_the_answers(self) -> None:
        policy = made(PasswordPolicy, check_zxcvbn=True)
        for who, answers in ((subject(), {}), (None, {"username": "robin", "email": "robin@wood.example"})):
            found = await decided(policy, who=who, prompt_data={"password": "robin@wood.example!", **answers})
            assert found.messages == ("The password is too easy to guess.",)
        assert (await decided(policy, prompt_data={"password": "robin@wood.example!"})).passing


def test_the_rules_are_told_before_the_error() -> None:
    policy = made(PasswordPolicy, length_min=8, amount_digits=2, check_zxcvbn=True, check_have_i_been_pwned=True)
    assert rules_in_words(policy) == (
        "At least 8 characters.",
        "At least 2 digits.",
        "Not easy to guess: no common words, names, dates or rows of keys alone.",
        "Not among the passwords that were leaked elsewhere.",
    )
    assert rules_in_words(made(PasswordPolicy, length_min=8, check_static_rules=False)) == ()


LEAKED = "Tr0ub4dor&3"


@asynccontextmanager
async def leak_list(answer: str, *, status: int = 200) -> AsyncIterator[tuple[PolicyServices, list[str]]]:
    """A list of leaked passwords on this machine, with one answer for everybody; the requests it was sent."""
    seen: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await reader.readuntil(b"\r\n\r\n")).decode())
        body = answer.encode()
        writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        leaked = LeakedPasswords(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        yield PolicyServices({LeakedPasswords: leaked}.__getitem__), seen


class TestLeakedPasswords:
    DIGEST = hashlib.sha1(LEAKED.encode(), usedforsecurity=False).hexdigest().upper()

    @pytest.mark.parametrize(("allowed", "passing"), [(0, False), (41, False), (42, True)])
    async def test_a_leaked_password_is_refused(self, allowed: int, passing: bool) -> None:
        policy = made(PasswordPolicy, check_have_i_been_pwned=True, hibp_allowed_count=allowed)
        other = "0" * 35
        async with leak_list(f"{other}:7\r\n{self.DIGEST[5:]}:42\r\n") as (services, seen):
            found = await decided(policy, services=services, prompt_data={"password": LEAKED})
            assert found.passing is passing
            if not passing:
                assert found.messages == ("This password was found among leaked ones. Choose another one.",)
            assert (await decided(policy, services=services, prompt_data={"password": "something else"})).passing
        assert seen[0].startswith(f"GET /range/{self.DIGEST[:5]} HTTP/1.1\r\n")

    async def test_only_five_digits_of_the_hash_leave(self) -> None:
        async with leak_list("") as (services, seen):
            assert (
                await decided(
                    made(PasswordPolicy, check_have_i_been_pwned=True),
                    services=services,
                    prompt_data={"password": LEAKED},
                )
            ).passing
        assert self.DIGEST[:6] not in seen[0]
        assert LEAKED not in seen[0]

    @pytest.mark.parametrize(("answer", "status"), [("", 503), ("<html>sign in to this network</html>", 200)])
    async def test_a_list_that_does_not_answer_counts_as_the_failure_result(self, answer: str, status: int) -> None:
        policy = made(PasswordPolicy, check_have_i_been_pwned=True)
        async with leak_list(answer, status=status) as (services, _):
            found = await decided(policy, services=services, prompt_data={"password": LEAKED})
        (step,) = found.trace.steps
        assert (found.passing, found.undecided, step.how) == (False, True, "failed")
        assert "the list of leaked passwords" in step.error
        assert LEAKED not in str(found.trace.data())

    async def test_it_is_not_asked_about_what_breaks_another_rule_nor_in_a_trial(self) -> None:
        policy = made(PasswordPolicy, check_have_i_been_pwned=True, length_min=20)
        async with leak_list("") as (services, seen):
            assert not (await decided(policy, services=services, prompt_data={"password": LEAKED})).passing
            tried = await decided(
                made(PasswordPolicy, check_have_i_been_pwned=True),
                services=services,
                prompt_data={"password": LEAKED},
                trial=True,
            )
        assert seen == []
        assert tried.trace.steps[0].error == "depends on the list of leaked passwords (network)"
