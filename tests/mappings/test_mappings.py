"""Stock mappings, their recognition and the rules of merging."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import ostiary
from ostiary.directory.user import GroupRef, Subject, User
from ostiary.expressions import expression_hash, meaning_of
from ostiary.mappings.claims import ClaimSet
from ostiary.mappings.literal import VOCABULARY
from ostiary.mappings.mapping_context import MappingContext
from ostiary.mappings.mapping_events import mapping_statements
from ostiary.mappings.merge import merge
from ostiary.mappings.scope_mapping import ScopeMapping
from ostiary.mappings.stock import STOCK, native_mappings

HASHES = {
    "openid": "c4eb5ae5b590814b98be3790d7bfc89bcf1ac1d73b877d47d76ce6f1b479c227",
    "email": "04bdd1a9d3ab22d59969b697c5a6aa68a3b837f69fc8b986475b4014ea8dd39d",
    "profile": "945b9a1bb57c1ac7d800a8bd0731a60378942b9e8f981ce9308b8a51c01459d3",
    "entitlements": "c5f99791c2b110ca816c88d54a324f4bc0e073025ac8c7f29e986f94b39d09f7",
    "offline_access": "c4eb5ae5b590814b98be3790d7bfc89bcf1ac1d73b877d47d76ce6f1b479c227",
    "goauthentik.io/api": "c4eb5ae5b590814b98be3790d7bfc89bcf1ac1d73b877d47d76ce6f1b479c227",
    "ak_proxy": "646a3b12334ae7aa6773b0ca3c2d9f448d4632781722df886c1eae2a900df620",
    "address": "7c849fd4ace51852ce341814d77e727a3ec84c0faaa8fe79294114b55aecabc7",
    "phone": "f0cafc52084876d07d5bf44b09e152885617bb97d27c2927b958d79e4f91470e",
}
ADDRESS = {"street_address": "12 St James's Square", "locality": "London"}


def subject() -> Subject:
    user = User(
        pk=7,
        uuid="u-u",
        username="ada",
        name="Ada L.",
        email="ada@example.org",
        is_active=True,
        type="internal",
        path="users",
        attributes={"upn": "ada@upn", "address": ADDRESS, "phone": "+44 20 7946 0000"},
        password="!",
        last_login=None,
        date_joined=0,
        password_change_date=0,
        last_updated=0,
    )
    return Subject(
        user=user,
        uid="f" * 64,
        groups=(GroupRef("g1", "admins", {}),),
        every_group=(GroupRef("g1", "admins", {}), GroupRef("g2", "everybody", {})),
        all_groups=frozenset({"g1", "g2"}),
        all_group_names=frozenset({"admins", "everybody"}),
        is_superuser=True,
        attributes={"quota": 5, "upn": "ada@upn"},
    )


MAPPING_CONTEXT = MappingContext(now=1, evaluator=None)


def mapping(scope: str, expression: str, name: str = "") -> ScopeMapping:
    return ScopeMapping(pk=name or scope, name=name or scope, scope_name=scope, expression=expression)


def stock() -> ClaimSet:
    return ClaimSet(
        ScopeMapping(
            pk=item.managed,
            name=item.name,
            scope_name=item.scope_name,
            expression=item.expression,
            description=item.description,
        )
        for item in STOCK
    )


def test_hashes_of_the_stock_wording_never_change() -> None:
    assert {item.scope_name: expression_hash(item.expression) for item in STOCK} == HASHES


async def test_every_stock_mapping_is_native() -> None:
    assert {found.how for item in STOCK if (found := meaning_of(item.expression, VOCABULARY))} == {"native"}
    assert all(meaning_of(item.expression, VOCABULARY) for item in STOCK)
    assert (await stock().claims(subject(), stock().scopes, MAPPING_CONTEXT)).failed == ()


@pytest.mark.parametrize(
    ("scope", "claims"),
    [
        ("openid", {}),
        ("email", {"email": "ada@example.org", "email_verified": False}),
        (
            "profile",
            {
                "name": "Ada L.",
                "given_name": "Ada L.",
                "preferred_username": "ada",
                "nickname": "ada",
                "groups": ["admins"],
            },
        ),
        ("entitlements", {"entitlements": [], "roles": []}),
        ("offline_access", {}),
        ("goauthentik.io/api", {}),
        ("address", {"address": ADDRESS}),
        ("phone", {"phone_number": "+44 20 7946 0000", "phone_number_verified": False}),
        ("ak_proxy", {"ak_proxy": {"user_attributes": {"quota": 5, "upn": "ada@upn"}, "is_superuser": True}}),
    ],
)
async def test_claims(scope: str, claims: dict[str, object]) -> None:
    assert (await stock().claims(subject(), (scope,), MAPPING_CONTEXT)).values == claims


@pytest.mark.parametrize("attributes", [{}, {"address": {}, "phone": ""}, {"address": "London", "phone": 44}])
async def test_a_person_without_address_and_telephone_has_no_claims_of_them(attributes: dict[str, object]) -> None:
    found = subject()
    person = replace(found, user=replace(found.user, attributes=attributes))
    assert (await stock().claims(person, ("address", "phone"), MAPPING_CONTEXT)).values == {}


async def test_single_claims_are_picked_whatever_the_scope() -> None:
    found = await stock().pick(subject(), {"email", "nickname", "unknown"}, MAPPING_CONTEXT)
    assert found.values == {"email": "ada@example.org", "nickname": "ada"}
    assert (await stock().pick(subject(), set(), MAPPING_CONTEXT)).values == {}


async def test_discovery_knows_the_names() -> None:
    found = stock()
    everything = (await found.claims(subject(), found.scopes, MAPPING_CONTEXT)).values
    assert set(found.claim_names()) == set(everything)


def test_the_scopes_asked_for_are_listed_those_without_a_description_too() -> None:
    found = {item.scope_name: item.description for item in stock().described(("openid", "email", "profile"))}
    assert sorted(found) == ["email", "openid", "profile"]
    assert [name for name, text in found.items() if not text] == ["openid"]


def test_the_blueprint_ships_the_same_wording() -> None:
    folder = Path(ostiary.__file__).parent / "blueprints" / "defaults"
    texts = [path.read_text() for path in folder.rglob("*.yaml")]
    assert any("scope-openid" in text for text in texts)

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda *_: None)
    entries = [
        entry["identifiers"] | entry.get("attrs", {})
        for text in texts
        for document in [yaml.load(text, Loader)]  # noqa: S506 - a SafeLoader
        for entry in document["entries"]
        if entry["model"] == "authentik_providers_oauth2.scopemapping"
    ]
    shipped = {
        entry["managed"]: (entry["name"], entry["scope_name"], expression_hash(entry["expression"]))
        for entry in entries
    }
    assert shipped == {item.managed: (item.name, item.scope_name, expression_hash(item.expression)) for item in STOCK}


async def test_an_expression_that_nobody_runs_is_absent_and_told(caplog: pytest.LogCaptureFixture) -> None:
    claims = ClaimSet([mapping("x", "return {'x': 1 + 1}"), mapping("email", STOCK[1].expression)])
    found = await claims.claims(subject(), ("x", "email"), MAPPING_CONTEXT)
    assert found.values == {"email": "ada@example.org", "email_verified": False}
    assert [item.mapping.name for item in found.failed] == ["x"]
    (event,) = mapping_statements(found, user=subject().user.who, client_ip="192.0.2.1", now=1)
    assert "property_mapping_exception" in event.parameters
    assert "expressions are not run here" in caplog.text


async def test_a_person_who_was_read_again_is_asked_again() -> None:
    claims = stock()
    before, after = subject(), replace(subject(), user=replace(subject().user, email="new@example.org"))
    first = await claims.claims(before, ("email",), MAPPING_CONTEXT)
    assert first is await claims.claims(before, ("email",), MAPPING_CONTEXT)
    assert (await claims.claims(after, ("email",), MAPPING_CONTEXT)).values["email"] == "new@example.org"
    assert (await claims.claims(before, ("email",), MAPPING_CONTEXT)).values["email"] == "ada@example.org"


def test_what_is_not_python_is_no_native() -> None:
    assert meaning_of("return (", VOCABULARY) is None


def test_merging() -> None:
    into: dict[str, object] = {"a": 1, "list": [1], "deep": {"x": 1, "list": ["a"]}}
    more = {"a": 2, "list": [2, [3]], "deep": {"y": 2, "list": ("b",)}, "new": {"k": [1]}}
    assert merge(into, more) == {
        "a": 2,
        "list": [1, 2, [3]],
        "deep": {"x": 1, "y": 2, "list": ["a", "b"]},
        "new": {"k": [1]},
    }
    into["new"]["k"].append(9)  # type: ignore[index]
    assert more["new"] == {"k": [1]}, "nothing is shared"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=2), x, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=2), JSON, max_size=4))
def test_merging_into_nothing_copies(more: dict[str, object]) -> None:
    assert merge({}, more) == more


def test_authentiks_own_wording_is_known_by_its_hash() -> None:
    known = native_mappings()
    claims = {name[:6]: native.claims for name, native in known.items()}
    assert claims["7ab685"] == ("entitlements", "roles")
    assert claims["84113f"] == ("ak_proxy",)
    assert claims["0c8853"] == ("name", "given_name", "preferred_username", "nickname", "groups")
