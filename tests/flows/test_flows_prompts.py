"""Prompts and what becomes of their answers: users, made and changed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from flows_world import PASSWORD, Client, World, default_flow, expression, pk

from ostiary.expressions import meaning_of
from ostiary.flows.prompt.field import Prompt
from ostiary.flows.prompt.field_values import LOCALE, VOCABULARY, PromptChoice, choices_of
from ostiary.flows.prompt.validation import Missing, NotValid, judge
from ostiary.flows.stages.prompt import PromptStage
from ostiary.flows.stages.user_login import UserLoginStage
from ostiary.flows.stages.user_write import UserWriteStage, changed, without_passwords
from ostiary.policies.kinds.password import PasswordPolicy, rules_in_words
from ostiary.seal import Secret


def prompt(key: str, kind: Any, order: int = 0, **values: Any) -> Prompt:
    return Prompt(
        pk=pk(), name=f"{key}-{kind}-{pk()}", field_key=key, label=key.title(), type=kind, order=order, **values
    )


def ask(world: World, *prompts: Prompt, **values: Any) -> PromptStage:
    world.change(*prompts)
    return PromptStage(pk=pk(), name=f"ask-{pk()}", fields=tuple(str(one.pk) for one in prompts), **values)


def write(**values: Any) -> UserWriteStage:
    return UserWriteStage(pk=pk(), name=f"write-{pk()}", **values)


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        ("text", " a ", "a"),
        ("text", 5, "5"),
        ("text_area", " a\n", " a\n"),
        ("password", " pass ", " pass "),
        ("email", "jo@example.org", "jo@example.org"),
        ("number", "5", 5),
        ("number", "-7.00", -7),
        ("number", 5.0, 5),
        ("checkbox", True, True),
        ("checkbox", "on", True),
        ("checkbox", None, False),
        ("date", "2026-01-31", date(2026, 1, 31)),
        ("date-time", "2026-01-31T12:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("date-time", "2026-01-31T12:00:30+02:00", datetime(2026, 1, 31, 10, 0, 30, tzinfo=UTC)),
        ("ak-locale", "de", "de"),
        ("ak-locale", "", ""),
        ("dropdown", "b", "b"),
        ("file", "data:text/plain;base64,YQ==", "data:text/plain;base64,YQ=="),
    ],
)
def test_answers_that_hold(kind: str, raw: object, value: object) -> None:
    assert judge(kind, raw, required=True, choices=["a", "b"]) == value


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("text", "a\0b"),
        ("text", "\ud800"),
        ("text", ["a"]),
        ("text", {"a": 1}),
        ("text", "x" * 70_000),
        ("email", "nobody"),
        ("email", "a b@c"),
        ("number", "five"),
        ("number", "1.5"),
        ("number", "1e3"),
        ("number", "9" * 16),
        ("number", "nan"),
        ("number", "inf"),
        ("checkbox", "perhaps"),
        ("date", "31.1.2026"),
        ("date-time", "noon"),
        ("ak-locale", "../../etc"),
        ("dropdown", "c"),
        ("radio-button-group", ""),
        ("file", "file:///etc/passwd"),
        ("file", "data:text/plain;base64," + "A" * 700_000),
        ("date-time", "0001-01-01T00:00+14:00"),
    ],
)
def test_answers_that_do_not(kind: str, raw: object) -> None:
    with pytest.raises(NotValid):
        judge(kind, raw, required=True, choices=["a", "b"])


def test_nothing_is_an_answer_unless_one_is_needed() -> None:
    for kind in ("text", "email", "number", "date", "dropdown", "password"):
        assert judge(kind, None, required=False) == ""
        with pytest.raises(Missing):
            judge(kind, "", required=True)


async def test_which_expressions_are_understood_without_running_them(world: World) -> None:
    user = await world.user()

    def value_of(source: str, of: Any = user) -> object:
        meaning = meaning_of(source, VOCABULARY)
        return None if meaning is None else meaning.value(of)

    assert value_of("return user.username") == "jo"
    assert value_of("try:\n    return user.email\nexcept:\n    return ''") == user.email
    assert value_of("return user.email", None) == ""
    assert value_of("return 'x'") == "x"
    assert value_of(LOCALE) == ""
    for source in ("return user.password", "return __import__('os').getpid()", "return (", "x = 1", ""):
        assert value_of(source) is None
    assert choices_of(["a", {"value": 7, "label": "B"}]) == [PromptChoice("a", "a"), PromptChoice(7, "B")]
    assert choices_of("alone") == [PromptChoice("alone", "alone")]
    assert choices_of("") == []


async def test_fields_are_shown_in_order_with_their_choices(world: World, client: Client) -> None:
    stage = ask(
        world,
        prompt("b", "dropdown", 2, placeholder="return ['x', 'y']", placeholder_expression=True),
        prompt("a", "text", 1, initial_value="first", placeholder="type"),
        prompt("line", "separator", 3),
        prompt("secret", "password", 4, initial_value="never"),
    )
    world.flow("form", [stage])
    client.slug = "form"
    shown = (await client.get())["fields"]
    assert [one["field_key"] for one in shown] == ["a", "b", "line", "secret"]
    assert shown[0] | {"label": "A"} == {
        "field_key": "a", "label": "A", "type": "text", "required": True, "placeholder": "type",
        "initial_value": "first", "order": 1, "sub_text": "", "choices": None,
    }  # fmt: skip
    assert shown[1]["choices"] == [{"value": "x", "label": "x"}, {"value": "y", "label": "y"}]
    assert shown[3]["initial_value"] == ""


async def test_a52_values_of_the_server_are_not_the_clients(world: World, client: Client) -> None:
    default_flow(world)
    user = await world.user()
    stage = ask(
        world,
        prompt("name", "text", 1),
        prompt("email", "hidden", 2, initial_value="fixed@example.org"),
        prompt("attributes.badge", "text_read_only", 3, initial_value="17"),
    )
    world.flow("form", [stage, write(user_creation_mode="never_create")], authentication="require_authenticated")
    await client.sign_in()
    client.slug = "form"
    await client.get()
    answers = {
        "name": "Jo New",
        "email": "evil@example.org",
        "attributes.badge": "1",
        "username": "root",
        "is_superuser": True,
        "groups": ["x"],
        "password": "x",
    }
    assert (await client.answer(component="ak-stage-prompt", **answers))["to"] == "/"
    found = await world.users.get(user.pk)
    assert found is not None
    assert (found.username, found.name, found.email) == ("jo", "Jo New", "fixed@example.org")
    assert found.attributes == {"badge": "17"}
    assert found.password == user.password


async def test_enrolment_makes_a_user_and_signs_in(world: World, client: Client) -> None:
    prompts = [prompt("username", "username", 1), prompt("email", "email", 2), prompt("password", "password", 3)]
    prompts.append(prompt("password_repeat", "password", 4))
    group = await world.group("people")
    stages = [
        ask(world, *prompts),
        write(user_creation_mode="always_create", create_users_group=group, user_path_template="signed-up"),
        UserLoginStage(pk=pk(), name="in"),
    ]
    world.flow("enroll", stages, designation="enrollment")
    await world.user("taken")
    client.slug = "enroll"
    await client.get()
    answers = {"email": "new@example.org", "password": PASSWORD, "password_repeat": PASSWORD}
    taken = await client.answer(component="ak-stage-prompt", username="TAKEN", **answers)
    assert taken["response_errors"]["username"][0]["string"] == "This user name is taken."
    assert (await client.answer(component="ak-stage-prompt", username="new", **answers))["to"] == "/"
    subject = await world.users.subject((await client.session()).user)
    assert subject is not None
    assert (subject.user.username, subject.user.type, subject.user.path) == ("new", "external", "signed-up")
    assert subject.all_group_names == {"people"}
    verified = await world.services.passwords.verify(Secret(PASSWORD), subject.user.password)
    assert verified.ok


async def test_new_users_can_be_made_inactive_and_are_not_signed_in(world: World, client: Client) -> None:
    stages = [
        ask(world, prompt("username", "username")),
        write(user_creation_mode="create_when_required", create_users_as_inactive=True),
        UserLoginStage(pk=pk(), name="in"),
    ]
    world.flow("enroll", stages)
    client.slug = "enroll"
    await client.get()
    shown = await client.answer(component="ak-stage-prompt", username="new")
    assert shown["component"] == "ak-stage-access-denied"
    user = await world.users.by_username("new")
    assert user is not None
    assert not user.is_active


async def test_a30_user_write_needs_answers_and_somebody(world: World, client: Client) -> None:
    world.flow("nothing", [write()])
    world.flow("nobody", [ask(world, prompt("name", "text")), write(user_creation_mode="never_create")])
    client.slug = "nothing"
    assert (await client.get())["error_message"] == "There is nothing to write."
    client.slug = "nobody"
    await client.get()
    shown = await client.answer(component="ak-stage-prompt", name="x")
    assert shown["error_message"] == "There is nobody whose data could be changed."
    assert not await world.database.fetch("SELECT 1 FROM directory_user")


async def test_a_password_is_changed_by_its_owner_under_the_rules(world: World, client: Client) -> None:
    default_flow(world)
    user = await world.user()
    rules = PasswordPolicy(pk=pk(), name="rules", length_min=12)
    world.change(rules)
    stage = ask(
        world, prompt("password", "password", 1), prompt("again", "password", 2), validation_policies=(str(rules.pk),)
    )
    world.flow("change", [stage, write(user_creation_mode="never_create")], authentication="require_authenticated")
    await client.sign_in()
    client.slug = "change"
    await client.get()
    short = await client.answer(component="ak-stage-prompt", password="short", again="short")
    assert short["response_errors"]["non_field_errors"][0]["string"] == "The password must have at least 12 characters."
    assert (await client.answer(component="ak-stage-prompt", password="long enough it is", again="long enough it is"))[
        "to"
    ]
    assert (await world.users.get(user.pk)).password != user.password  # type: ignore[union-attr]
    assert (await client.session()).user == user.pk
    assert "to" in await Client(world).sign_in("jo", "long enough it is")


async def test_the_settings_policy_holds_what_people_may_change(world: World, client: Client) -> None:
    default_flow(world)
    user = await world.user()
    rules = expression("default-user-settings-authorization")
    world.change(rules)
    fields = [
        prompt("username", "text", 1, initial_value="return user.username", initial_value_expression=True),
        prompt("name", "text", 2, initial_value="return user.name", initial_value_expression=True),
        prompt("email", "email", 3, initial_value="return user.email", initial_value_expression=True),
    ]
    stage = ask(world, *fields, validation_policies=(str(rules.pk),))
    world.flow("settings", [stage, write(user_creation_mode="never_create")], authentication="require_authenticated")
    await client.sign_in()
    client.slug = "settings"
    shown = (await client.get())["fields"]
    values = {one["field_key"]: one["initial_value"] for one in shown}
    assert values == {"username": "jo", "name": "jo", "email": "jo@example.org"}
    refused = await client.answer(component="ak-stage-prompt", **{**values, "email": "boss@example.org"})
    assert refused["response_errors"]["non_field_errors"][0]["string"] == "You are not allowed to change this: email"
    assert (await client.answer(component="ak-stage-prompt", **{**values, "name": "Jo"}))["to"] == "/"
    assert (await world.users.get(user.pk)).name == "Jo"  # type: ignore[union-attr]


def test_which_fields_answers_set() -> None:
    data = {
        "username": "jo", "password": "p", "attributes.a.b": 1, "attributes_c": 2, "locale": "de", "is_superuser": True,
        "groups": ["x"], "pk": 1, "uuid": "x", "password_hash": "x", "last_login": 1, "roles": ["x"],
    }  # fmt: skip
    made = changed(data, {"attributes": {"a": {"x": 0}, "keep": 1}})
    assert made["attributes"] == {"a": {"x": 0, "b": 1}, "keep": 1, "c": 2, "settings": {"locale": "de"}}
    assert set(made) == {"username", "password", "attributes"}
    assert without_passwords({"password": "p", "again": "p", "name": "n"}) == {"name": "n"}


async def test_a_new_password_ends_the_other_sessions(world: World, client: Client) -> None:
    default_flow(world)
    user = await world.user()
    elsewhere = Client(world)
    await elsewhere.sign_in()
    await client.sign_in()
    stages = [ask(world, prompt("password", "password", 1)), write(user_creation_mode="never_create")]
    world.flow("change", stages, authentication="require_authenticated")
    client.slug = "change"
    await client.get()
    assert (await client.answer(component="ak-stage-prompt", password="another horse battery"))["to"] == "/"
    assert (await client.session()).user == user.pk
    assert await elsewhere.session() is None


async def test_the_rules_of_a_password_are_told_at_its_field_before_the_error(world: World) -> None:
    rules = PasswordPolicy(pk=pk(), name="rules", length_min=12, amount_digits=1, check_zxcvbn=True)
    other = PasswordPolicy(pk=pk(), name="other", length_min=12, check_have_i_been_pwned=True)
    world.change(rules, other)
    told, own = prompt("password", "password", 1), prompt("again", "password", 2, sub_text="The same again.")
    name = prompt("name", "text", 0)
    stage = ask(world, name, told, own, validation_policies=(str(rules.pk), str(other.pk)))
    world.flow("change", [stage])
    shown = await Client(world, slug="change").get()
    assert [one["sub_text"] for one in shown["fields"]] == [
        "",
        "\n".join(rules_in_words(rules) + rules_in_words(other)[1:]),
        "The same again.",
    ]
