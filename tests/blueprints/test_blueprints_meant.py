"""Which object a file means: keys of another installation, several that match, and names in authentik's spellings."""

from __future__ import annotations

import pytest
from blueprints_world import World, Write, make_world

from ostiary.blueprints.report import Report
from ostiary.store.database import Database
from ostiary.store.ordered_key import OrderedKeys, age

FLOW = "authentik_flows.flow"
MAPPING = "authentik_providers_oauth2.scopemapping"
GROUP = "authentik_core.group"
BINDING = "authentik_flows.flowstagebinding"
X = "5e090a1b-f00a-4510-8c7a-21182a0a212c"
Y = "11111111-1111-4111-8111-111111111111"


def good(report: Report) -> Report:
    for file in report.files:
        assert file.error is None, str(file.error)
    return report


def notices(report: Report) -> list[str]:
    return [one for file in good(report).files for one in file.applied.notices]


EXPORT = f"""\
  - {{model: {FLOW}, identifiers: {{pk: {X}, slug: here}}, attrs: {{name: Here, title: Bye, designation: invalidation}}}}
  - {{model: {FLOW}, identifiers: {{pk: {Y}, slug: new}}, attrs: {{name: New, title: T, designation: invalidation}}}}
  - model: authentik_stages_user_logout.userlogoutstage
    identifiers: {{pk: 22222222-2222-4222-8222-222222222222, name: leave}}
  - model: {BINDING}
    identifiers: {{pk: 33333333-3333-4333-8333-333333333333, target: {X.upper()}, order: 5, stage: 22222222-2222-4222-8222-222222222222}}
  - model: {BINDING}
    identifiers: {{target__pk: {X}, order: 5, stage__name: leave}}
    attrs: {{target: {X}, stage: 22222222-2222-4222-8222-222222222222, re_evaluate_policies: true}}
  - {{model: authentik_core.user, identifiers: {{pk: 3, username: ada}}, attrs: {{name: Ada}}}}
  - {{model: authentik_core.group, identifiers: {{name: crew}}, attrs: {{users: [3], attributes: {{flow: {X}, deep: [{{flow: {X}}}], number: 3}}}}}}
"""  # fmt: skip


async def test_a_key_the_file_names_becomes_the_one_here(database: Database, write: Write) -> None:
    world = await make_world(database)
    before = f"""\
  - {{model: {FLOW}, identifiers: {{slug: here}}, attrs: {{name: H, title: T, designation: invalidation}}}}
  - {{model: authentik_stages_user_logout.userlogoutstage, identifiers: {{name: leave}}}}
  - {{model: authentik_core.user, identifiers: {{username: bob}}, attrs: {{name: Bob}}}}
  - {{model: authentik_core.user, identifiers: {{username: cy}}, attrs: {{name: Cy}}}}
  - {{model: authentik_core.user, identifiers: {{username: di}}, attrs: {{name: Di}}}}
  - {{model: authentik_core.user, identifiers: {{username: ed}}, attrs: {{name: Ed}}}}
  - {{model: authentik_core.user, identifiers: {{username: ada}}, attrs: {{name: A}}}}
"""
    good(await world.apply(write(before)))
    flow, ada = await world.one(FLOW, slug="here"), await world.one("authentik_core.user", username="ada")
    assert (flow.pk == X, ada.pk == 3) == (False, False)
    good(await world.apply(write(EXPORT)))
    binding = await world.one(BINDING, order=5)
    assert binding.values["target"] == flow.pk
    assert binding.pk == "33333333-3333-4333-8333-333333333333"
    assert (await world.one(FLOW, slug="new")).pk == Y
    assert (await world.one(FLOW, slug="here")).values["name"] == "Here"
    crew = await world.one(GROUP, name="crew")
    assert crew.values["users"] == (ada.pk,)
    assert crew.values["attributes"] == {"flow": flow.pk, "deep": [{"flow": flow.pk}], "number": 3}
    assert not good(await world.apply(write(EXPORT))).changed


async def test_a_key_is_known_only_from_its_entry_on(world: World, write: Write) -> None:
    text = f"""\
  - {{model: {FLOW}, identifiers: {{slug: here}}, attrs: {{name: H, title: T, designation: invalidation}}}}
  - {{model: authentik_stages_user_logout.userlogoutstage, id: s, identifiers: {{name: leave}}}}
  - {{model: {BINDING}, identifiers: {{target: {X}, order: 5, stage: !KeyOf s}}}}
  - {{model: {FLOW}, identifiers: {{pk: {X}, slug: here}}}}
"""
    [file] = (await world.apply(write(text))).files
    assert f"{X} is not the primary key" in str(file.error)


SAME = f"""\
  - {{model: {MAPPING}, identifiers: {{name: one}}, attrs: {{scope_name: same, expression: "return {{}}"}}}}
  - {{model: {MAPPING}, identifiers: {{name: two}}, attrs: {{scope_name: same, expression: "return {{}}"}}}}
  - {{model: {GROUP}, identifiers: {{name: g}}, attrs: {{attributes: {{found: !Find [{MAPPING}, [scope_name, same]]}}}}}}
"""


async def test_several_that_match_are_the_oldest_at_every_apply(database: Database, write: Write) -> None:
    world = await make_world(database)
    for number in range(6):
        scope = f"same{number}"
        path = write(
            SAME.replace("same", scope)
            .replace("name: one", f"name: z{number}")
            .replace("name: two", f"name: a{number}")
        )
        said = notices(await world.apply(path))
        assert [one.partition(": ")[2] for one in said] == [f"!Find [{MAPPING}, [scope_name, {scope}]] matches 2 objects, and means z{number}, the oldest; look for managed or name to be sure"]  # fmt: skip
        again = good(await world.apply(path))
        assert not again.changed
        assert notices(again) == said
    # changed, the oldest is still the oldest, also while its change is pending
    changed = SAME.replace('"return {}"', '"return {1: 2}"').replace("one", "z0").replace("two", "a0").replace("same", "same0")  # fmt: skip
    assert [label.split()[1] for label in (await world.apply(write(changed))).files[0].applied.updated] == [
        "z0",
        "a0",
        "g",
    ]
    assert not good(await world.apply(write(changed))).changed


async def test_a_managed_one_wins(ready: World, write: Write) -> None:
    own = f'  - {{model: {MAPPING}, identifiers: {{name: 0 mine}}, attrs: {{scope_name: email, expression: "return {{}}"}}}}\n'
    find = f"  - {{model: {GROUP}, identifiers: {{name: g}}, attrs: {{attributes: {{found: !Find [{MAPPING}, [scope_name, email]]}}}}}}\n"
    good(await ready.apply(write(find)))
    assert not good(await ready.apply(write(own + find))).files[0].applied.updated
    stock = await ready.one(MAPPING, managed="goauthentik.io/providers/oauth2/scope-email")
    assert (await ready.one(GROUP, name="g")).values["attributes"] == {"found": stock.pk}


def test_keys_sort_by_the_time_they_were_made() -> None:
    keys = OrderedKeys()
    made = [keys.new() for _ in range(5000)]
    assert made == sorted(set(made), key=age)
    assert OrderedKeys().new() > made[0]
    assert age(Y) < age(made[0])  # keys of earlier releases and of files come first
    assert sorted([10, 9], key=age) == [9, 10]


@pytest.mark.parametrize("model", ["authentik_core.Group", "AUTHENTIK_CORE.GROUP", "authentik_core.group"])
async def test_the_case_of_a_model_does_not_matter(world: World, write: Write, model: str) -> None:
    text = f"""\
  - {{model: {model}, id: a, identifiers: {{name: a}}}}
  - {{model: authentik_core.group, identifiers: {{name: b}}, attrs: {{parents: [!Find [{model}, [name, a]]]}}}}
"""
    good(await world.apply(write(text)))
    assert (await world.one(GROUP, name="b")).values["parents"] == ((await world.one(GROUP, name="a")).pk,)


async def test_more_than_one_pair_and_what_follows_a_pair(world: World, write: Write) -> None:
    text = f"""\
  - {{model: {GROUP}, identifiers: {{name: a}}, attrs: {{is_superuser: true}}}}
  - {{model: {GROUP}, identifiers: {{name: b}}, attrs: {{attributes: {{x: !Find [{GROUP}, [name, a], [is_superuser, true]], y: !Find [{GROUP}, [name, a, spare]]}}}}}}
"""
    report = await world.apply(write(text))
    assert [one.partition(": ")[2] for one in notices(report)] == [
        f"!Find [{GROUP}, [name, a]]: what follows a pair [FIELD, VALUE] is ignored"
    ]
    a = (await world.one(GROUP, name="a")).pk
    assert (await world.one(GROUP, name="b")).values["attributes"] == {"x": a, "y": a}


async def test_look_ups_with_operators_and_hops(ready: World, write: Write) -> None:
    finds = {
        "binding": f"!Find [{BINDING}, [target__slug, default-authentication-flow], [stage__name, default-authentication-mfa-validation]]",
        "family": f"!Find [{BINDING}, [target__slug, default-authentication-flow], [stage__userloginstage__name__startswith, default-authentication]]",
        "base": "!Find [authentik_flows.stage, [name__iexact, DEFAULT-authentication-LOGIN]]",
        "policy": "!Find [authentik_policies.policybinding, [target__flowstagebinding__stage__name, default-authentication-password]]",
        "among": f"!Find [{FLOW}, [slug__in, [nothing, default-authentication-flow]]]",
        "reverse": f"!Find [{FLOW}, [flowstagebinding__stage__name, default-authentication-identification]]",
    }
    text = "".join(
        f"  - {{model: {GROUP}, identifiers: {{name: {name}}}, attrs: {{attributes: {{found: {find}}}}}}}\n"
        for name, find in finds.items()
    )
    report = good(await ready.apply(write(text)))
    assert notices(report) == []
    found = {name: (await ready.one(GROUP, name=name)).values["attributes"]["found"] for name in finds}  # type: ignore[index]
    assert None not in found.values()
    assert found["among"] == found["reverse"] == (await ready.one(FLOW, slug="default-authentication-flow")).pk
    assert found["base"] == (await ready.one("authentik_flows.stage", name="default-authentication-login")).pk


async def test_nothing_is_left_to_delete_of_a_model_that_is_not_here(world: World, write: Write) -> None:
    report = await world.apply(
        write("""\
  - {model: authentik_providers_proxy.proxyprovider, state: absent, identifiers: {name: old}}
  - {model: Authentik_Stages_Captcha.CaptchaStage, state: !If [true, absent, present], identifiers: {name: old}}
  - {model: authentik_core.group, identifiers: {name: g}}
""")
    )
    assert good(report).files[0].applied.created == (f"{GROUP} g",)
    assert [one.rpartition(": ")[2] for one in notices(report)] == [
        "model authentik_providers_proxy.proxyprovider is not available yet, so there is nothing to delete",
        "model Authentik_Stages_Captcha.CaptchaStage is not available yet, so there is nothing to delete",
    ]
    [file] = (
        await world.apply(write("  - {model: authentik_cor.group, state: absent, identifiers: {name: g}}\n"))
    ).files
    assert "unknown model authentik_cor.group, did you mean authentik_core.group?" in str(file.error)


async def test_everything_that_is_not_here_is_named_at_once(world: World, write: Write) -> None:
    [file] = (
        await world.apply(
            write("""\
  - {model: authentik_core.group, identifiers: {name: g}, attrs: {parents: [nobody]}}
  - {model: authentik_providers_proxy.proxyprovider, identifiers: {name: p}}
  - {model: authentik_outposts.outpost, identifiers: {name: o}, state: absent}
  - {model: authentik_outposts.outpost, identifiers: {name: o}, conditions: [false]}
  - {model: authentik_sources_ldap.ldapsource, identifiers: {slug: l}}
  - {model: authentik_core.gruop, identifiers: {slug: l}}
""")
        )
    ).files
    assert file.error is not None
    assert [fault.message for fault in file.error.faults] == [
        "model authentik_providers_proxy.proxyprovider is not available yet",
        "model authentik_sources_ldap.ldapsource is not available yet",
        "unknown model authentik_core.gruop, did you mean authentik_core.group?",
    ]
    assert await world.find(GROUP, name="g") is None
