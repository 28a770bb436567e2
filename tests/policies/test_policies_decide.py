from __future__ import annotations

import asyncio
import itertools
import json
import uuid
from importlib import resources
from typing import Any

import pytest

from ostiary.applications.resources import Application
from ostiary.applications.room import ROOM as APPLICATIONS
from ostiary.directory.user import GroupRef, Subject, User
from ostiary.expressions import Meaning
from ostiary.policies.context import PolicyContext
from ostiary.policies.decide import Decision, decide, decide_policies, has_bindings
from ostiary.policies.errors import PolicyError
from ostiary.policies.kinds import expression
from ostiary.policies.kinds.expression import ExpressionPolicy
from ostiary.policies.kinds.password import PasswordPolicy
from ostiary.policies.native import AUTHENTIK, FUNCTIONS, NativePolicy, native_policies
from ostiary.policies.policy_request import PolicyRequest, PolicyResult
from ostiary.policies.recognition import known_policy
from ostiary.policies.resources import PolicyBinding
from ostiary.policies.room import ROOM
from ostiary.policies.stock import SOURCES
from ostiary.resource import InvalidResource, Registry, Resource
from ostiary.store.configuration.snapshot import Snapshot

RESTORED, NOT_RESTORED, NO_APP_PASSWORD, SURELY_NONE = "e2c4a38b132d", "a2a1b4b7c7c2", "57aaf4594dcd", "65b423807ec3"
NOW = 1_800_000_000_000_000
TARGET = str(uuid.uuid4())
ADMINS, STAFF = str(uuid.uuid4()), str(uuid.uuid4())
REGISTRY = Registry([*ROOM.kinds, *APPLICATIONS.kinds])


def find_native(source: str) -> NativePolicy | None:
    found = known_policy(source)
    return found.value if found is not None and found.how == "native" else None


def recognise_policy(source: str) -> NativePolicy | None:
    found = known_policy(source)
    return found.value if found is not None and found.how == "recognised" else None


def subject(pk: int = 7, *, groups: tuple[str, ...] = (), superuser: bool = False, **values: Any) -> Subject:
    user = User(
        pk=pk, uuid="u", username="jo", name="Jo", email="jo@example.org", is_active=True, type="internal", path="users", attributes={}, password="!", last_login=None, date_joined=NOW, password_change_date=NOW, last_updated=NOW
    )  # fmt: skip
    names = {ADMINS: "admins", STAFF: "staff"}
    return Subject(
        user=user,
        uid="uid",
        groups=tuple(GroupRef(one, names[one], {}) for one in groups),
        every_group=tuple(GroupRef(one, names[one], {}) for one in groups),
        all_groups=frozenset(groups),
        all_group_names=frozenset(names[one] for one in groups),
        is_superuser=superuser,
        attributes=values.get("attributes", {}),
    )


def policy(source: str, name: str = "p") -> ExpressionPolicy:
    return ExpressionPolicy(pk=str(uuid.uuid4()), name=f"{name}-{uuid.uuid4()}", expression=source)


YES, NO, UNKNOWN = policy("return True", "yes"), policy("return False", "no"), policy("import os\nreturn os.getpid()")


def binding(order: int = 0, **values: Any) -> PolicyBinding:
    return PolicyBinding(pk=str(uuid.uuid4()), **{"target": TARGET, "order": order, **values})


async def decided(*objects: Resource, mode: Any = "any", who: Subject | None = None, **facts: Any) -> Decision:
    snapshot = Snapshot.of(REGISTRY, [YES, NO, UNKNOWN, *objects], number=3)
    context = PolicyContext(now=NOW, client_ip="192.0.2.1", is_sso=bool(facts.pop("is_sso", False)), facts=facts)
    return await decide(subject=who, target_pk=TARGET, mode=mode, snapshot=snapshot, context=context)


async def test_without_enabled_bindings_everybody_passes() -> None:
    assert (await decided()).passing
    assert (await decided(who=subject())).passing
    off = await decided(binding(group=ADMINS, enabled=False), binding(1, policy=str(NO.pk), enabled=False))
    assert off.passing
    assert [step.how for step in off.trace.steps] == ["disabled", "disabled"]


@pytest.mark.parametrize(
    ("mode", "policies", "groups", "expected"),
    [
        ("any", "y", "", True),
        ("any", "n", "", False),
        ("any", "yn", "", True),
        ("all", "yn", "", False),
        ("all", "yy", "", True),
        # group and user bindings are one static result beside the policies
        ("any", "n", "m", True),
        ("any", "y", "x", True),
        ("any", "n", "x", False),
        ("any", "", "mx", True),
        ("any", "", "xx", False),
        ("all", "", "mx", False),
        ("all", "", "mm", True),
        ("all", "y", "mx", False),
        ("all", "y", "m", True),
        ("all", "n", "m", False),
    ],
)
async def test_the_table_of_modes(mode: str, policies: str, groups: str, expected: bool) -> None:
    order = itertools.count()
    objects = [binding(next(order), policy=str((YES if one == "y" else NO).pk)) for one in policies]
    objects += [binding(next(order), group=ADMINS if one == "m" else STAFF) for one in groups]
    assert (await decided(*objects, mode=mode, who=subject(groups=(ADMINS,)))).passing is expected


@pytest.mark.parametrize("who", [None, subject(), subject(superuser=True), subject(8, groups=(STAFF,))])
async def test_who_is_not_bound_is_refused_superusers_too(who: Subject | None) -> None:
    assert not (await decided(binding(group=ADMINS), who=who)).passing


async def test_users_are_matched_by_number_and_negation_turns_round() -> None:
    assert (await decided(binding(user=7), who=subject(7))).passing
    assert not (await decided(binding(user=7), who=subject(8))).passing
    assert not (await decided(binding(user=7, negate=True), who=subject(7))).passing
    assert (await decided(binding(user=7, negate=True), who=subject(8))).passing
    assert not (await decided(binding(policy=str(YES.pk), negate=True))).passing
    assert not (await decided(binding(user=7))).passing


@pytest.mark.parametrize("failure_result", [True, False])
async def test_what_cannot_be_evaluated_counts_as_the_failure_result_and_is_told(failure_result: bool) -> None:
    for negate in (False, True):
        found = await decided(
            binding(policy=str(UNKNOWN.pk), failure_result=failure_result, negate=negate), who=subject()
        )
        assert found.passing is failure_result
        (step,) = found.trace.steps
        assert (step.how, step.error) == ("failed", "there is no Evaluator here")
        (event,) = found.events
        assert "policy_exception" in event.parameters
    gone = await decided(binding(policy=str(uuid.uuid4()), failure_result=failure_result))
    assert gone.passing is failure_result


async def test_the_trace_is_plain_data_and_names_everything() -> None:
    first, second = binding(0, group=ADMINS), binding(1, policy=str(NO.pk), negate=True)
    found = await decided(second, first, who=subject(groups=(STAFF,)))
    data: dict[str, Any] = dict(found.trace.data())
    assert json.loads(json.dumps(data)) == data
    assert (data["target"], data["mode"], data["user"], data["revision"]) == (TARGET, "any", 7, 3)
    assert (data["static"], data["passing"]) == (False, True)
    assert [
        (one["binding"], one["kind"], one["object"], one["how"], one["raw"], one["result"]) for one in data["steps"]
    ] == [
        (first.pk, "group", ADMINS, "static", False, False),
        (second.pk, "policy", NO.pk, "recognised", False, True),
    ]


async def test_an_application_asks_its_own_bindings() -> None:
    application = Application(pk=str(uuid.uuid4()), name="Wiki", slug="wiki", policy_engine_mode="all")
    snapshot = Snapshot.of(
        REGISTRY,
        [application, binding(target=application.pk, group=ADMINS), binding(1, target=application.pk, group=STAFF)],
    )
    assert has_bindings(str(application.pk), snapshot)
    assert not has_bindings(TARGET, snapshot)
    for groups, expected in (((ADMINS,), False), ((ADMINS, STAFF), True)):
        found = await decide(
            subject=subject(groups=groups),
            target_pk=str(application.pk),
            mode=application.policy_engine_mode,
            snapshot=snapshot,
            context=PolicyContext(now=NOW),
        )
        assert found.passing is expected


def test_every_stock_expression_has_its_function_and_is_found_whatever_its_layout() -> None:
    assert set(FUNCTIONS) == set(SOURCES)
    for name, source in SOURCES.items():
        assert find_native(source) is FUNCTIONS[name] or name == "default-source-enrollment-if-sso"
        assert find_native("# another comment\n\n" + source.replace("\n", "\n\n")) is not None
        ExpressionPolicy.KIND.make("x", ExpressionPolicy.KIND.parse({"name": name, "expression": source}))
    assert find_native("return ak_is_sso_flow or True") is None
    assert len(native_policies()) == len(set(SOURCES.values())) + len(AUTHENTIK)
    assert find_native("return (") is None


@pytest.mark.parametrize(
    ("name", "facts", "expected"),
    [
        ("default-authentication-flow-password-stage", {}, True),
        ("default-authentication-flow-password-stage", {"user_backend": "x"}, False),
        ("default-authentication-flow-authenticator-validate-stage", {"auth_method": "password"}, True),
        ("default-authentication-flow-authenticator-validate-stage", {"auth_method": "auth_webauthn_pwl"}, False),
        ("default-source-authentication-if-sso", {}, False),
        ("default-source-enrollment-if-sso", {"is_sso": True}, True),
        ("default-source-enrollment-if-username", {}, True),
        ("default-source-enrollment-if-username", {"prompt_data": {"username": "x"}}, False),
        ("default-oobe-password-usable", {"setup_token": "x"}, True),
        ("default-oobe-prefill-user", {"setup_token": "x"}, True),
        ("default-oobe-flow-set-authentication", {"setup_token": "x"}, True),
        ("default-oobe-password-usable", {}, False),  # any other flow is not open because the wizard is
    ],
)
async def test_stock_policies(name: str, facts: dict[str, Any], expected: bool) -> None:
    stock = policy(SOURCES[name], name)
    found = await decided(stock, binding(policy=str(stock.pk), failure_result=not expected), **facts)
    assert found.passing is expected
    assert found.trace.steps[0].how == "native"


@pytest.mark.parametrize(
    ("changes", "attributes", "expected"),
    [
        ({"name": "New"}, {}, True),
        ({"email": "jo@example.org", "username": "jo"}, {}, True),
        ({"email": "other@example.org"}, {}, False),
        ({"username": "boss"}, {}, False),
        ({"email": "other@example.org"}, {"goauthentik.io/user/can-change-email": True}, True),
        ({"name": "New"}, {"goauthentik.io/user/can-change-name": False}, False),
    ],
)
async def test_people_change_of_themselves_what_the_rules_allow(
    changes: dict[str, str], attributes: dict[str, bool], expected: bool
) -> None:
    stock = policy(SOURCES["default-user-settings-authorization"])
    found = await decided(stock, binding(policy=str(stock.pk)), who=subject(attributes=attributes), prompt_data=changes)
    assert found.passing is expected
    assert bool(found.messages) is not expected
    assert not (await decided(stock, binding(policy=str(stock.pk)), prompt_data=changes)).passing


def test_simple_expressions_are_recognised_and_nothing_else() -> None:
    policy_request = PolicyRequest(subject(groups=(ADMINS,)), PolicyContext(now=NOW))
    for source, expected in (
        ("return True", True),
        ("return False  # never", False),
        ('return ak_is_group_member(request.user, name="admins")', True),
        ("return ak_is_group_member(request.user, name='staff')", False),
    ):
        found = recognise_policy(source)
        assert found is not None
        assert found(policy_request).passing is expected
    nobody = recognise_policy('return ak_is_group_member(request.user, name="admins")')
    assert nobody is not None
    assert not nobody(PolicyRequest(None, PolicyContext(now=NOW))).passing
    for source in (
        "", "return", "return None", "return 1", "True", "return True\nreturn False", "if True:\n    return True",
        'return ak_is_group_member(user, name="admins")', "return ak_is_group_member(request.user, name=x)",
        'return ak_is_group_member(request.user, name__iexact="admins")',
        'return ak_is_group_member(request.user, name="a", is_superuser=True)',
        'return not ak_is_group_member(request.user, name="admins")', "return (", "(" * 500,
    ):  # fmt: skip
        assert recognise_policy(source) is None, source


def rules(**values: Any) -> PasswordPolicy:
    return PasswordPolicy(pk=str(uuid.uuid4()), name=f"rules-{uuid.uuid4()}", **values)


@pytest.mark.parametrize(
    ("values", "password", "expected"),
    [
        ({"length_min": 8}, "short", False),
        ({"length_min": 8}, "long enough", True),
        ({"amount_digits": 2}, "a1", False),
        ({"amount_uppercase": 1}, "abc", False),
        ({"amount_lowercase": 1}, "ABC", False),
        ({"amount_symbols": 1}, "abc", False),
        ({"amount_symbols": 1, "amount_digits": 1, "amount_uppercase": 1}, "Abc1!", True),
        ({"length_min": 8, "check_static_rules": False}, "x", True),
        ({"check_zxcvbn": True}, "password123", False),
        ({"check_zxcvbn": True}, "correct horse battery", True),
        ({"check_have_i_been_pwned": True}, "anything", False),
    ],
)
async def test_password_rules(values: dict[str, Any], password: str, expected: bool) -> None:
    made = rules(**values)
    snapshot = Snapshot.of(REGISTRY, [made])
    context = PolicyContext(now=NOW, facts={"prompt_data": {"password": password}})
    found = await decide_policies([str(made.pk)], subject=None, snapshot=snapshot, context=context, target_pk="stage")
    assert found.passing is expected
    assert all(password not in message for message in found.messages)


async def test_a_password_policy_says_its_own_message_and_needs_its_field() -> None:
    made = rules(length_min=8, error_message="Longer, please.", check_zxcvbn=True)
    snapshot = Snapshot.of(REGISTRY, [made])
    common = "The password is too easy to guess."
    for data, messages in (
        ({"password": "tz7"}, ("Longer, please.", common)),
        ({"password": "passwordpassword123456"}, (common,)),
        ({}, ()),
    ):
        context = PolicyContext(now=NOW, facts={"prompt_data": data})
        found = await decide_policies([str(made.pk)], subject=None, snapshot=snapshot, context=context, target_pk="s")
        assert not found.passing
        assert found.messages == messages


def test_a_binding_names_exactly_one_thing() -> None:
    kind = PolicyBinding.KIND
    for values in ({}, {"group": ADMINS, "user": 7}, {"group": ADMINS, "policy": str(YES.pk)}):
        with pytest.raises(InvalidResource, match="exactly one"):
            kind.make("x", kind.parse({"target": TARGET, "order": 0, **values}))
    made = kind.make("x", kind.parse({"target": TARGET, "order": 0, "group": ADMINS, "timeout": 30}))
    assert (made.enabled, made.negate, made.failure_result) == (True, False, False)


def test_an_expression_must_be_python() -> None:
    kind = ExpressionPolicy.KIND
    with pytest.raises(InvalidResource, match="not valid Python"):
        kind.make("x", kind.parse({"name": "x", "expression": "return ("}))


def test_the_shipped_blueprints_contain_the_same_texts() -> None:
    folder = resources.files("ostiary.blueprints") / "defaults" / "default"
    shipped = "\n".join(one.read_text() for one in folder.iterdir() if one.name.endswith(".yaml"))
    lines = "\n".join(line.strip() for line in shipped.splitlines())
    for name, source in SOURCES.items():
        assert f"name: {name}" in lines
        assert "\n".join(line.strip() for line in source.splitlines()) in lines, name


@pytest.mark.parametrize(
    ("name", "facts", "expected"),
    [
        ("cf9cfca7c6f2", {"auth_method": "auth_webauthn_pwl"}, False),
        ("cf9cfca7c6f2", {"auth_method": "password"}, True),
        ("ad100de64438", {"prompt_data": {"email": "jo@example.org", "name": "Jo", "username": "jo"}}, True),
        ("ad100de64438", {"prompt_data": {"email": "else@example.org"}}, False),
        ("3cf5cad67429", {"setup_token": ""}, True),
        ("3cf5cad67429", {}, False),
        ("8c19dcd16d0e", {"setup_token": ""}, True),
        ("c0dc9bd7f172", {"setup_token": ""}, True),
        (RESTORED, {}, True),
        (RESTORED, {"is_restored": {"token": 1}}, True),
        (RESTORED, {"is_restored": None}, False),
        (NOT_RESTORED, {"is_restored": {"token": 1}}, False),
        (NOT_RESTORED, {}, True),
        (NO_APP_PASSWORD, {"auth_method": "app_password"}, False),
        (NO_APP_PASSWORD, {"auth_method": "password"}, True),
        (NO_APP_PASSWORD, {}, True),
        (SURELY_NONE, {"auth_method": "app_password"}, False),
        (SURELY_NONE, {"auth_method": "password"}, True),
    ],
)
def test_authentiks_own_wording_is_known_by_its_hash(name: str, facts: dict[str, Any], expected: bool) -> None:
    [run] = [run for key, run in AUTHENTIK.items() if key.startswith(name)]
    context = PolicyContext(now=NOW, client_ip="192.0.2.1", is_sso=False, facts=facts)
    assert run(PolicyRequest(subject(), context)).passing is expected


async def test_what_a_native_policy_cannot_tell_fails() -> None:
    missing = policy('return context["auth_method"] != "app_password"')
    for failure in (True, False):
        found = await decided(missing, binding(policy=str(missing.pk), failure_result=failure))
        assert (found.passing, found.undecided, found.trace.steps[0].how) == (failure, True, "failed")


@pytest.mark.parametrize("error", [KeyError("x"), TypeError("x"), RecursionError(), PolicyError("x")])
async def test_whatever_goes_wrong_in_a_policy_the_failure_result_counts(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(policy_request: PolicyRequest) -> PolicyResult:
        raise error

    monkeypatch.setattr(expression, "known_policy", lambda _: Meaning("native", broken))
    for failure in (True, False):
        found = await decided(binding(policy=str(YES.pk), failure_result=failure, negate=True))
        assert (found.passing, found.undecided, found.trace.steps[0].how) == (failure, True, "failed")


async def test_a_policy_that_takes_too_long_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(*_: object) -> tuple[str, PolicyResult]:
        await asyncio.sleep(60)
        return "native", PolicyResult(passing=True)

    monkeypatch.setattr(ExpressionPolicy, "evaluate", slow)
    found = await decided(binding(policy=str(YES.pk), timeout=1))
    assert (found.passing, found.undecided) == (False, True)
    assert found.trace.steps[0].error == "took longer than 1 seconds"


async def test_strangers_leave_an_event_a_minute_and_people_one_each() -> None:
    lost = binding(policy=str(UNKNOWN.pk))
    assert [len((await decided(lost)).events) for _ in range(3)] == [1, 0, 0]
    assert [len((await decided(lost, who=subject())).events) for _ in range(3)] == [1, 1, 1]
