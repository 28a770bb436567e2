"""The shipped blueprints: what they make, that stock texts agree, and that people's edits survive."""

from __future__ import annotations

import pytest
from blueprints_world import NOW, World, make_world

from ostiary.blueprints import shipped
from ostiary.blueprints.report import render
from ostiary.blueprints.text.document import Entry
from ostiary.blueprints.text.nodes import Plain, Table
from ostiary.blueprints.text.wrapper import read_file
from ostiary.flows.prompt.field import Prompt
from ostiary.mappings.stock import STOCK
from ostiary.policies.resources import POLICY, PolicyBinding
from ostiary.policies.stock import SOURCES
from ostiary.store.database import Database

STAGE = "authentik_stages_authenticator_validate.authenticatorvalidatestage"
BINDING = "authentik_flows.flowstagebinding"


def entries() -> list[tuple[str, Entry]]:
    found = []
    for path, data in shipped.shipped_files().items():
        loaded = read_file(data, path=path)
        assert not loaded.errors
        assert loaded.blueprints[0].name == shipped.shipped_name(data)
        found += [(path, entry) for entry in loaded.blueprints[0].entries]
    return found


def text(entry: Entry, part: str, name: str) -> object:
    table = getattr(entry, part)
    assert isinstance(table, Table)
    node = table.pairs[name]
    assert isinstance(node, Plain)
    return node.value


def model(entry: Entry) -> object:
    assert isinstance(entry.model, Plain)
    return entry.model.value


def test_expressions_are_those_that_run_natively() -> None:
    policies = {
        text(entry, "identifiers", "name"): text(entry, "attrs", "expression")
        for _, entry in entries()
        if model(entry) == "authentik_policies_expression.expressionpolicy"
    }
    assert policies == dict(SOURCES)


def test_scope_mappings_are_the_stock_ones() -> None:
    mappings = {
        (
            text(entry, "identifiers", "managed"),
            text(entry, "attrs", "name"),
            text(entry, "attrs", "scope_name"),
            text(entry, "attrs", "description"),
            text(entry, "attrs", "expression"),
        )
        for _, entry in entries()
        if model(entry) == "authentik_providers_oauth2.scopemapping"
    }
    assert mappings == {(one.managed, one.name, one.scope_name, one.description, one.expression) for one in STOCK}


def test_every_entry_has_an_id_of_its_own_and_keeps_edits() -> None:
    found = entries()
    for path in shipped.shipped_files():
        ids = [entry.id for where, entry in found if where == path]
        assert all(ids)
        assert len(set(ids)) == len(ids)
    managed = {"authentik_providers_oauth2.scopemapping", "authentik_rbac.role"}
    for path, entry in found:
        state = entry.state.value if isinstance(entry.state, Plain) else None
        assert (state == "created") != (model(entry) in managed), (path, entry.id)


async def test_first_start_on_both_databases(database: Database) -> None:
    world = await make_world(database)
    report = await world.defaults()
    assert report.ok, render(report)
    brand = (await world.one("authentik_brands.brand", default=True)).values
    flow = await world.one("authentik_flows.flow", slug="default-authentication-flow")
    assert brand["domain"] == "authentik-default"
    assert brand["flow_authentication"] == flow.pk
    assert brand["flow_user_settings"] is not None
    role = await world.one("authentik_rbac.role", name="authentik Read-only")
    assert set(role.values["permissions"]) == {  # type: ignore[call-overload]
        f"{kind.app_label}.view_{kind.model_name}" for kind in world.registry
    }
    assert (await world.one("authentik_core.group", name="authentik Read-only")).values["roles"] == (role.pk,)
    workspace = await world.editor.open()
    bindings = await workspace.match(BINDING, [("target", flow.pk)])
    assert sorted(one.values["order"] for one in bindings) == [10, 20, 30, 100]  # type: ignore[type-var]
    assert len(await workspace.match("authentik_blueprints.blueprintinstance", [])) == len(shipped.shipped_files())


async def test_a_second_start_reads_once_and_writes_nothing(ready: World) -> None:
    number = ready.editor.plane.snapshot.number
    assert not (await ready.defaults()).files
    assert not (await ready.discovery().run(now=NOW)).files
    assert ready.editor.plane.snapshot.number == number


async def upgrade(world: World, monkeypatch: pytest.MonkeyPatch, extra: dict[str, str] | None = None) -> str:
    """Start a version whose shipped files have all changed."""
    files = {path: data + b"# a newer text\n" for path, data in shipped.shipped_files().items()}
    for path, addition in (extra or {}).items():
        files[path] += addition.encode()
    monkeypatch.setattr("ostiary.blueprints.discovery.shipped_files", lambda: files)
    report = await world.defaults(now=NOW + 1)
    assert report.ok, render(report)
    assert len(report.files) == len(files)
    return render(report)


async def test_an_upgrade_keeps_what_people_changed(ready: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await ready.change(STAGE, {"name": "default-authentication-mfa-validation"}, not_configured_action="configure")
    await ready.change("authentik_flows.flow", {"slug": "initial-setup"}, title="Hello", slug="first-start")
    await ready.change("authentik_brands.brand", {"domain": "authentik-default"}, branding_title="House")
    await ready.change("authentik_core.group", {"name": "authentik Admins"}, name="House admins")
    assert "no changes" in (await upgrade(ready, monkeypatch)).splitlines()[-1]
    stage = await ready.one(STAGE, name="default-authentication-mfa-validation")
    assert stage.values["not_configured_action"] == "configure"
    assert await ready.find("authentik_flows.flow", slug="initial-setup") is None
    assert await ready.find("authentik_core.group", name="authentik Admins") is None


async def test_an_upgrade_does_not_bring_back_what_was_deleted(ready: World, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = await ready.one("authentik_flows.flow", slug="default-authentication-flow")
    await ready.delete(BINDING, target=flow.pk, order=20)
    await ready.delete("authentik_flows.flow", slug="default-source-enrollment")
    await ready.delete("authentik_core.group", name="authentik Read-only")
    assert "no changes" in (await upgrade(ready, monkeypatch)).splitlines()[-1]
    assert await ready.find(BINDING, target=flow.pk, order=20) is None
    assert await ready.find("authentik_flows.flow", slug="default-source-enrollment") is None


async def test_an_upgrade_adds_what_is_new_and_repairs_managed_mappings(
    ready: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapping = {"managed": "goauthentik.io/providers/oauth2/scope-email"}
    await ready.change("authentik_providers_oauth2.scopemapping", mapping, expression="return {}")
    new = "  - {model: authentik_core.group, id: guests, state: created, identifiers: {name: Guests}}\n"
    said = await upgrade(ready, monkeypatch, {"default/default-groups.yaml": new})
    assert "+ authentik_core.group Guests" in said
    assert "~ authentik_providers_oauth2.scopemapping authentik default OAuth Mapping: OpenID 'email'" in said


async def test_a_brand_of_somebody_elses_making_stays_the_default(world: World) -> None:
    async def make(workspace: object) -> None:
        await workspace.create("authentik_brands.brand", {"domain": "house.example", "default": True})  # type: ignore[attr-defined]

    await world.editor.edit(make, author="somebody", message="by hand", now=NOW)
    assert (await world.defaults()).ok
    assert await world.find("authentik_brands.brand", domain="authentik-default") is None


async def test_prompts_and_policy_bindings_are_where_files_look_for_them(ready: World) -> None:
    """The labels, types and orders of authentik 2026.2, as its database has them."""
    prompts = {
        "default-source-enrollment-field-username": ("username", "Username", "username", 100),
        "initial-setup-field-header": ("oobe-header-text", "oobe-header-text", "static", 100),
        "initial-setup-field-email": ("email", "Email", "email", 101),
        "initial-setup-field-password": ("password", "Password", "password", 300),
        "initial-setup-field-password-repeat": ("password_repeat", "Password (repeat)", "password", 301),
        "default-user-settings-field-username": ("username", "Username", "username", 200),
        "default-user-settings-field-name": ("name", "Name", "text", 201),
        "default-user-settings-field-email": ("email", "Email", "email", 202),
        "default-user-settings-field-locale": ("attributes.settings.locale", "Locale", "ak-locale", 203),
        "default-password-change-field-password": ("password", "Password", "password", 300),
        "default-password-change-field-password-repeat": ("password_repeat", "Password (repeat)", "password", 301),
    }
    snapshot = ready.editor.plane.snapshot
    found = {one.name: (one.field_key, one.label, one.type, one.order) for one in snapshot.all(Prompt)}
    assert prompts.items() <= found.items()
    orders = {
        snapshot.resolve(POLICY, one.policy).name: one.order  # type: ignore[union-attr]
        for one in snapshot.all(PolicyBinding)
        if one.policy is not None
    }
    assert orders == {
        "default-authentication-flow-password-stage": 10,
        "default-authentication-flow-authenticator-validate-stage": 10,
        "default-source-enrollment-if-sso": 0,
        "default-source-enrollment-if-username": 0,
        "default-source-authentication-if-sso": 0,
        "default-oobe-password-usable": 0,
        "default-oobe-prefill-user": 0,
        "default-oobe-flow-set-authentication": 0,
    }
