"""What check and apply say: every field with old and new, no secret, and the truth about what was applied."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from blueprints_world import World, Write, make_world

from ostiary.blueprints.report import Report, render
from ostiary.store.database import Database

PROVIDER = "authentik_providers_oauth2.oauth2provider"
USER = "authentik_core.user"


def said(report: Report, path: Path, **how: Any) -> list[str]:
    return render(report, **how).replace(f"{path}", path.name).splitlines()


FIRST = """\
  - {model: authentik_core.group, identifiers: {name: a}, attrs: {attributes: {token: !Env A_TOKEN, list: [1]}}}
  - {model: authentik_core.user, identifiers: {username: jo}, attrs: {name: Jo, password: a pass word of jo}}
"""
SECOND = """\
  - {model: authentik_core.group, identifiers: {name: a}, attrs: {is_superuser: true, attributes: {token: !Env A_TOKEN, list: [1, 2]}}}
  - {model: authentik_core.user, identifiers: {username: jo}, attrs: {name: Joan, password: another pass word}}
"""


async def test_fields_with_old_and_new_and_no_secret(world: World, write: Write) -> None:
    environ = {"A_TOKEN": 'sesame"open'}
    path = write(FIRST)
    expected = [
        "  + authentik_core.group a",
        '      name: "a"',
        '      attributes: {"list": [1], "token": "***"}',
        "  + authentik_core.user jo",
        '      username: "jo"',
        '      name: "Jo"',
        '      password: "***"',
    ]
    stars = [one.replace("********", "***") for one in said(await world.check(path, environ=environ), path)]
    assert stars == ["b.yaml: would be 2 created", *expected]
    await world.apply(path, environ=environ)
    path = write(SECOND)
    for run in (world.check, world.apply):
        report = await run(path, environ=environ)
        assert [one.replace("********", "***") for one in said(report, path)] == [
            f"b.yaml: {'would be ' if report.preview else ''}2 updated",
            "  ~ authentik_core.group a",
            "      is_superuser: false -> true",
            '      attributes: {"list": [1], "token": "***"} -> {"list": [1, 2], "token": "***"}',
            "  ~ authentik_core.user jo",
            '      name: "Jo" -> "Joan"',
            '      password: null -> "***"',
        ]
    assert said(await world.apply(path, environ=environ), path) == ["b.yaml: no changes", "no changes"]


async def test_an_unchanged_password_is_no_change(database: Database, write: Write) -> None:
    world = await make_world(database)
    path = write(FIRST.splitlines()[1] + "\n")
    await world.apply(path)
    [before] = await database.fetch(
        "SELECT password, password_change_date FROM directory_user WHERE username = ?", "jo"
    )
    for run in (world.check, world.apply, world.apply):
        report = await run(path)
        assert not report.changed
        assert report.files[0].applied.unchanged == (f"{USER} jo",)
    [after] = await database.fetch("SELECT password, password_change_date FROM directory_user WHERE username = ?", "jo")
    assert [before[at] for at in range(2)] == [after[at] for at in range(2)]
    changed = write(FIRST.splitlines()[1].replace("name: Jo", "name: Joan") + "\n")
    assert [one.strip() for one in said(await world.check(changed), changed)[2:]] == ['name: "Jo" -> "Joan"']


async def test_a_made_secret_is_shown_once_and_only_where_it_is_asked_for(
    ready: World, write: Write, caplog: Any
) -> None:
    text = f"""\
  - model: {PROVIDER}
    identifiers: {{name: p}}
    attrs:
      client_type: confidential
      client_id: p
      redirect_uris: []
      authorization_flow: !Find [authentik_flows.flow, [slug, default-provider-authorization-implicit-consent]]
      invalidation_flow: !Find [authentik_flows.flow, [slug, default-provider-invalidation-flow]]
"""
    path = write(text)
    assert not any("made:" in line for line in said(await ready.check(path), path, reveal=True))
    with caplog.at_level(logging.DEBUG):
        report = await ready.apply(path)
    stored = (await ready.one(PROVIDER, name="p")).values["client_secret"].reveal()  # type: ignore[attr-defined]
    assert len(stored) > 30
    assert stored not in render(report) + repr(report) + caplog.text
    assert said(report, path)[-1].startswith(f"made: {PROVIDER} p: client_secret (not shown")
    assert said(report, path, reveal=True)[-1] == f"made: {PROVIDER} p: client_secret: {stored}"
    assert "made:" not in render(await ready.apply(path), reveal=True)
    own = write(
        text.replace("client_id: p", "client_id: q\n      client_secret: chosen-by-somebody").replace(
            "name: p", "name: q"
        )
    )
    assert "made:" not in render(await ready.apply(own), reveal=True)


GOOD = "  - {model: authentik_core.group, identifiers: {name: good}}\n"
BAD = "  - {model: authentik_core.group, identifiers: {name: bad}, attrs: {parents: [nobody]}}\n"


async def test_what_was_applied_is_never_said_not_to_be(world: World, write: Write) -> None:
    good, bad = write(GOOD, "good.yaml"), write(BAD, "bad.yaml")
    assert render(await world.check(good, bad)).splitlines()[-1] == (
        "1 of 2 blueprints failed; nothing of them would be applied"
    )
    assert await world.find("authentik_core.group", name="good") is None
    report = await world.apply(good, bad)
    assert (
        render(report).splitlines()[-1] == "1 of 2 blueprints failed, and change nothing; what the others changed stays"
    )
    assert await world.find("authentik_core.group", name="good") is not None
    assert render(await world.apply(good, bad)).splitlines()[-1] == (
        "1 of 2 blueprints failed, and change nothing; the others have no changes"
    )
    assert render(await world.apply(bad)).splitlines()[-1] == "1 of 1 blueprints failed; nothing was applied"


async def test_a_preview_of_several_files_leaves_out_what_failed(world: World, write: Write) -> None:
    halfway = GOOD.replace("good", "half") + BAD
    needs = "  - {model: authentik_core.group, identifiers: {name: child}, attrs: {parents: [!Find [authentik_core.group, [name, half]]]}}\n"
    report = await world.check(write(halfway, "a.yaml"), write(needs, "b.yaml"), write(GOOD, "c.yaml"))
    states = {Path(one.path).name: (one.error is None, one.applied.created) for one in report.files}
    assert states["a.yaml"] == (False, ())
    assert not states["b.yaml"][0]  # the parent was never made
    assert states["c.yaml"] == (True, ("authentik_core.group good",))


async def test_a_misspelt_attribute_names_the_nearest(world: World, write: Write) -> None:
    path = write("  - {model: authentik_core.group, identifiers: {name: a}, attrs: {is_superusr: true, zzz: 1}}\n")
    assert [line.rpartition("): ")[2] for line in said(await world.apply(path), path) if line.startswith("notice")] == [
        "is_superusr is no field of authentik_core.group here and is ignored, did you mean is_superuser?",
        "zzz is no field of authentik_core.group here and is ignored",
    ]
