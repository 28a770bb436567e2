"""Entries applied to a real store: states, identifiers, secrets, and what results say."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from blueprints_world import World, Write

from ostiary.blueprints.report import Report, render
from ostiary.seal import Secret

GROUP = "authentik_core.group"
PROVIDER = "authentik_providers_oauth2.oauth2provider"


def lists(report: Report) -> list[tuple[str, ...]]:
    [file] = report.files
    assert file.error is None, str(file.error)
    return [file.applied.created, file.applied.updated, file.applied.deleted, file.applied.unchanged]


def error(report: Report) -> str:
    [file] = report.files
    assert file.error is not None, render(report)
    return str(file.error).replace(file.path, "b.yaml")


async def test_states(world: World, write: Write) -> None:
    text = """\
        - model: authentik_core.group
          id: a
          state: {state}
          identifiers: {{name: a}}
          attrs: {{is_superuser: {truth}}}
        """

    async def apply(state: str, truth: str) -> Report:
        return await world.apply(write(text.format(state=state, truth=truth)))

    assert lists(await apply("absent", "false")) == [(), (), (), ()]
    assert lists(await apply("must_created", "false")) == [(f"{GROUP} a",), (), (), ()]
    assert error(await apply("must_created", "true")) == (
        f'b.yaml:6:16: entry 1 "a" ({GROUP}): identifiers: {GROUP} a exists already'
    )
    assert lists(await apply("created", "true")) == [(), (), (), (f"{GROUP} a",)]
    assert (await world.one(GROUP, name="a")).values["is_superuser"] is False
    assert lists(await apply("present", "true")) == [(), (f"{GROUP} a",), (), ()]
    assert lists(await apply("present", "true")) == [(), (), (), (f"{GROUP} a",)]
    assert lists(await apply("!If [true, absent, present]", "true")) == [(), (), (f"{GROUP} a",), ()]
    assert await world.find(GROUP, name="a") is None
    assert error(await apply("gone", "true")).endswith("state: expected one of present, created, must_created, absent")


async def test_updates_are_partial_and_identifiers_win(world: World, write: Write) -> None:
    await world.apply(write("- {model: authentik_core.group, identifiers: {name: a}, attrs: {is_superuser: true}}"))
    report = await world.apply(
        write("- {model: authentik_core.group, identifiers: {name: a}, attrs: {name: b, attributes: {x: [1]}}}")
    )
    assert lists(report)[1] == (f"{GROUP} a",)
    values = (await world.one(GROUP, name="a")).values
    assert values["is_superuser"] is True
    assert values["attributes"] == {"x": [1]}


async def test_json_containment_finds_and_keeps_the_rest(world: World, write: Write) -> None:
    await world.apply(
        write("""\
            - {model: authentik_core.group, identifiers: {name: a}, attrs: {attributes: {kind: red, size: {x: 1, y: 2}}}}
            - {model: authentik_core.group, identifiers: {name: b}, attrs: {attributes: {kind: blue}}}
            """)
    )
    report = await world.apply(
        write("- {model: authentik_core.group, identifiers: {attributes: {size: {x: 1}}}, attrs: {is_superuser: true}}")
    )
    assert lists(report)[1] == (f"{GROUP} a",)
    assert (await world.one(GROUP, name="a")).values["attributes"] == {"kind": "red", "size": {"x": 1, "y": 2}}


async def test_a_primary_key_is_an_alternative_to_the_rest(ready: World, write: Write) -> None:
    pk = "0b0b0b0b-1111-4222-8333-444444444444"
    text = "- {{model: authentik_flows.flow, identifiers: {{pk: {pk}, slug: {slug}}}, attrs: {{name: n, title: {title}, designation: recovery}}}}"
    assert lists(await ready.apply(write(text.format(pk=pk, slug="one", title="t"))))[0] == ("authentik_flows.flow n",)
    assert (await ready.one("authentik_flows.flow", slug="one")).pk == pk
    # the key alone is enough, and the other identifiers become values
    assert lists(await ready.apply(write(text.format(pk=pk, slug="two", title="t"))))[1] == ("authentik_flows.flow n",)
    assert (await ready.one("authentik_flows.flow", pk=pk)).values["slug"] == "two"
    # so is the rest without the key
    other = "0c0c0c0c-1111-4222-8333-444444444444"
    assert lists(await ready.apply(write(text.format(pk=other, slug="two", title="u"))))[1] == (
        "authentik_flows.flow n",
    )
    assert (await ready.one("authentik_flows.flow", slug="two")).pk == pk


async def test_paths_of_two_names(ready: World, write: Write) -> None:
    text = """\
        - model: authentik_flows.flowstagebinding
          identifiers:
            target__slug: default-authentication-flow
            stage__name: default-authentication-login
            order: 100
          attrs:
            invalid_response_action: restart
        """
    assert lists(await ready.apply(write(text)))[1] == ("authentik_flows.flowstagebinding 100 of Sign in",)


async def test_conditions_and_key_of(world: World, write: Write) -> None:
    text = """\
        - {model: authentik_core.group, id: a, identifiers: {name: a}, conditions: [!Env ON, true]}
        - {model: nonsense.model, identifiers: {name: a}, conditions: [false]}
        - {model: authentik_core.group, identifiers: {name: b}, attrs: {parents: [!KeyOf a]}}
        """
    assert "it was not" not in render(await world.apply(write(text), environ={"ON": "1"}))
    assert (await world.one(GROUP, name="b")).values["parents"] == ((await world.one(GROUP, name="a")).pk,)
    assert error(await world.apply(write(text))) == (
        f"b.yaml:5:75: entry 3 ({GROUP}): !KeyOf a: expected the id of an entry applied before this one: "
        "its conditions do not hold"
    )


async def test_find_sees_earlier_entries_and_the_first_of_two_ids_wins(world: World, write: Write) -> None:
    text = """\
        - {model: authentik_core.group, id: x, identifiers: {name: a}}
        - {model: authentik_core.group, id: x, identifiers: {name: b}}
        - model: authentik_core.group
          identifiers: {name: c}
          attrs: {parents: [!KeyOf x, !Find [authentik_core.group, [name, b]]]}
        """
    assert len(lists(await world.apply(write(text)))[0]) == 3
    names = [(await world.one(GROUP, name=name)).pk for name in "ab"]
    parents = (await world.one(GROUP, name="c")).values["parents"]
    assert isinstance(parents, tuple)
    assert set(parents) == set(names)


async def test_nothing_of_a_failed_file_is_applied(world: World, write: Write) -> None:
    text = """\
        - {model: authentik_core.group, identifiers: {name: a}}
        - {model: authentik_core.group, identifiers: {name: b}, attrs: {parents: [5]}}
        """
    assert not (await world.apply(write(text))).ok
    assert await world.find(GROUP, name="a") is None


PROVIDER_TEXT = """\
    - model: authentik_providers_oauth2.oauth2provider
      id: p
      identifiers: {{name: P}}
      attrs:
        authorization_flow: !Find [authentik_flows.flow, [slug, default-provider-authorization-implicit-consent]]
        invalidation_flow: !Find [authentik_flows.flow, [slug, default-provider-invalidation-flow]]
        redirect_uris: []
        client_secret: {secret}
    """


@pytest.mark.parametrize(
    "secret", ["!Env SECRET", "!Env [SECRET, null]", "!File /nowhere", "!Format ['%s', !Env SECRET]"]
)
async def test_an_unset_secret_stops_a_new_object_and_keeps_an_old_one(ready: World, write: Write, secret: str) -> None:
    path = write(PROVIDER_TEXT.format(secret=secret))
    place = f'b.yaml:10:20: entry 1 "p" ({PROVIDER}): client_secret: '
    why = "the file /nowhere cannot be read" if "File" in secret else "the environment variable SECRET is not set"
    assert error(await ready.apply(path)) == (
        f"{place}a new object needs this secret: set it, or leave the field out to have one made; {why}"
    )
    await ready.apply(write(PROVIDER_TEXT.format(secret="!Env SECRET"), "ok.yaml"), environ={"SECRET": "sesame"})
    report = await ready.apply(path)
    assert not report.changed
    [notice] = report.files[0].applied.notices
    assert notice.replace(str(path), "b.yaml") == (
        f'b.yaml:3:3: entry 1 "p" ({PROVIDER}): client_secret keeps what is stored: {why}'
    )
    assert (await ready.one(PROVIDER, name="P")).values["client_secret"] == Secret("sesame")


async def test_a_changed_secret_is_an_update_that_shows_nothing(ready: World, write: Write) -> None:
    path = write(PROVIDER_TEXT.format(secret="!Env SECRET"))
    await ready.apply(path, environ={"SECRET": "sesame"})
    report = await ready.apply(path, environ={"SECRET": "zanzibar"})
    assert lists(report)[1] == (f"{PROVIDER} P",)
    assert "zanzibar" not in render(report) + repr(report)
    rows = await ready.database.fetch("SELECT body FROM document")
    assert not any("zanzibar" in str(row["body"]) or "sesame" in str(row["body"]) for row in rows)


async def test_an_unset_optional_secret_is_left_out(world: World, write: Write) -> None:
    text = "- {model: authentik_core.user, identifiers: {username: u}, attrs: {name: U, password: !Env UNSET}}"
    report = await world.apply(write(text))
    assert lists(report)[0] == ("authentik_core.user u",)
    assert (
        report.files[0].applied.notices[0].endswith("password is left out: the environment variable UNSET is not set")
    )


async def test_what_is_ignored_or_null_is_told(ready: World, write: Write) -> None:
    text = """\
        - model: authentik_brands.brand
          identifiers: {domain: shop.example}
          attrs:
            colour: red
            flow_recovery: !Find [authentik_flows.flow, [slug, none]]
        - model: authentik_core.user
          identifiers: {username: u}
          attrs: {uuid: x, permissions: [authentik_core.view_user]}
        """
    path = write(text)
    report = await ready.apply(path)
    notices = [notice.replace(str(path), "b.yaml") for notice in report.files[0].applied.notices]
    assert notices == [
        "b.yaml:3:3: entry 1 (authentik_brands.brand): colour is no field of authentik_brands.brand here and is ignored",
        (
            "b.yaml:3:3: entry 1 (authentik_brands.brand): flow_recovery is null: "
            "!Find [authentik_flows.flow, [slug, none]] found nothing"
        ),
        "b.yaml:8:3: entry 2 (authentik_core.user): uuid cannot be set and is ignored",
        "b.yaml:8:3: entry 2 (authentik_core.user): permissions is no field of authentik_core.user here and is ignored",
    ]


async def test_absent_objects_that_hang_on_nothing(ready: World, write: Write) -> None:
    text = """\
        - model: authentik_policies.policybinding
          state: absent
          identifiers: {order: 0, group: !Find [authentik_core.group, [name, gone]]}
        """
    assert not (await ready.apply(write(text))).changed


async def test_deleting_what_others_need_names_them(ready: World, write: Write) -> None:
    text = "- {model: authentik_stages_prompt.prompt, state: absent, identifiers: {name: default-password-change-field-password}}"
    message = error(await ready.apply(write(text)))
    assert "is still used by" in message
    assert "authentik_stages_prompt.promptstage default-password-change-prompt (fields)" in message


async def test_cascades_are_listed(ready: World, write: Write) -> None:
    text = "- {model: authentik_flows.flow, state: absent, identifiers: {slug: default-authenticator-totp-setup}}"
    deleted = lists(await ready.apply(write(text)))[2]
    assert {label.partition(" ")[0] for label in deleted} == {
        "authentik_flows.flow",
        "authentik_flows.flowstagebinding",
    }


async def test_one_revision_for_each_blueprint(ready: World, write: Write) -> None:
    before = ready.editor.plane.snapshot.number
    text = """\
        - {model: authentik_brands.brand, identifiers: {domain: a.example}}
        - {model: authentik_brands.brand, identifiers: {domain: b.example}}
        """
    await ready.apply(write(text))
    assert ready.editor.plane.snapshot.number == before + 1
    [revision] = await ready.editor.plane.revisions(limit=1)
    assert revision.author == "tests"
    assert revision.message.startswith("Apply blueprint ")
    await ready.apply(write(text))
    assert ready.editor.plane.snapshot.number == before + 1


async def test_check_says_what_would_happen_and_writes_nothing(ready: World, write: Write) -> None:
    first = write("- {model: authentik_core.group, identifiers: {name: a}}", "d/1.yaml")
    write(
        "- {model: authentik_core.group, identifiers: {name: b}, attrs: {parents: [!Find [authentik_core.group, [name, a]]]}}",
        "d/0.yaml",
    )
    before = ready.editor.plane.snapshot.number
    report = await ready.check(first.parent)
    assert report.ok, render(report)
    assert [item.applied.created for item in report.files] == [(f"{GROUP} b",), (f"{GROUP} a",)]
    assert "would be 1 created" in render(report)
    assert ready.editor.plane.snapshot.number == before
    assert await ready.find(GROUP, name="a") is None


async def test_context_of_the_file_and_the_run(ready: World, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        dedent("""\
            version: 1
            context:
              prefix: !Env [PREFIX, team]
              names: [x, y]
            entries:
              - model: authentik_core.group
                identifiers: {name: !Format ["%s-%s", !Context prefix, !AtIndex [!Context names, 0]]}
                attrs:
                  attributes:
                    label: !AtIndex [!Context goauthentik.io/rbac/models, application]
              - model: authentik_core.group
                conditions: [!Context goauthentik.io/enterprise/licensed]
                identifiers: {name: paid}
            """)
    )
    assert lists(await ready.apply(path, environ={"PREFIX": "crew"}))[0] == (f"{GROUP} crew-x",)
    assert (await ready.one(GROUP, name="crew-x")).values["attributes"] == {"label": "authentik_core"}


async def test_meta_apply_puts_another_blueprint_first(ready: World, tmp_path: Path) -> None:
    meta = "  - model: authentik_blueprints.metaapplyblueprint\n    attrs: {{identifiers: {{{by}}}, required: {required}}}\n"
    group = "  - {{model: authentik_core.group, state: must_created, identifiers: {{name: {name}}}}}\n"

    def write(name: str, *entries: str) -> None:
        (tmp_path / f"{name}.yaml").write_text(f"version: 1\nmetadata: {{name: {name}}}\nentries:\n" + "".join(entries))

    write("a", meta.format(by="name: z", required="true"), meta.format(by="name: Default - Brand", required="true"),
          meta.format(by="name: nobody", required="false"), group.format(name="a"))  # fmt: skip
    write("z", group.format(name="z"))
    report = await ready.apply(tmp_path)
    assert report.ok, render(report)
    assert await ready.find(GROUP, name="a")
    assert await ready.find(GROUP, name="z")
    write("a", meta.format(by="name: nobody", required="true"))
    write("z", meta.format(by=f"path: {tmp_path}/y.yaml", required="true"))
    write("y", meta.format(by="name: z", required="true"))
    text = render(await ready.apply(tmp_path)).replace(str(tmp_path), "")
    assert "/a.yaml:4:5: entry 1 (authentik_blueprints.metaapplyblueprint): identifiers: expected the name" not in text
    assert "expected the name or path of an existing blueprint" in text
    assert "the blueprint /y.yaml, which must come first, failed" in text or "waits for this one" in text
