"""The blueprints directory: which files count, order, hashes, retries, instances."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from blueprints_world import NOW, World, make_world
from support.waiting import until

from ostiary.blueprints.discovery import Discovery
from ostiary.blueprints.files import find_files, signature
from ostiary.blueprints.jobs import DISCOVER, discovery_jobs, watch
from ostiary.blueprints.report import render
from ostiary.blueprints.resources import BlueprintInstance
from ostiary.blueprints.states import read_states
from ostiary.store.database import Database

GROUP = "authentik_core.group"
INSTANCE = "authentik_blueprints.blueprintinstance"


def group(name: str, *, parent: str = "", title: str = "", labels: str = "") -> str:
    attrs = f"parents: [!Find [{GROUP}, [name, {parent}]]]" if parent else ""
    return (
        f"version: 1\nmetadata: {{name: {title or name}, labels: {{{labels}}}}}\nentries:\n"
        f"  - {{model: {GROUP}, identifiers: {{name: {name}}}, attrs: {{{attrs}}}}}\n"
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / ".config/blueprints"  # hidden parts above the root do not count
    path.mkdir(parents=True)
    return path


@pytest.fixture
def discovery(ready: World, directory: Path) -> Discovery:
    return ready.discovery(directory)


def mount(root: Path, stamp: str, files: dict[str, str]) -> None:
    """Write files as a kubelet does: a hidden folder, a hidden link to it, and links through that."""
    data = root / f"..{stamp}"
    data.mkdir()
    for name, text in files.items():
        (data / name).write_text(text)
    temporary = root / "..data_tmp"
    temporary.symlink_to(data.name)
    temporary.rename(root / "..data")
    for link in root.iterdir():
        if not link.name.startswith("."):
            link.unlink()
    for name in files:
        (root / name).symlink_to(f"..data/{name}")
    for old in root.iterdir():
        if old.is_dir() and not old.is_symlink() and old != data:
            shutil.rmtree(old)


def test_which_files_count(directory: Path) -> None:
    for name in ("a.yaml", "sub/b.yaml", ".hidden.yaml", ".git/c.yaml", "sub/.x/d.yaml", "e.yml", "f.txt"):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text("")
    (directory / "dir.yaml").mkdir()
    os.mkfifo(directory / "pipe.yaml")
    (directory / "broken.yaml").symlink_to("nowhere")
    assert [name for name, _ in find_files(directory)] == ["a.yaml", "sub/b.yaml"]


async def test_a_mounted_configmap(ready: World, directory: Path, discovery: Discovery) -> None:
    mount(directory, "2026_01_01", {"a.yaml": group("a"), "b.yaml": group("b", parent="a")})
    report = await discovery.run(now=NOW)
    assert [item.path for item in report.files] == ["a.yaml", "b.yaml"]
    assert report.ok, render(report)
    before = signature(directory)
    mount(directory, "2026_01_02", {"a.yaml": group("a"), "b.yaml": group("c", title="b")})
    assert signature(directory) != before
    report = await discovery.run(now=NOW)
    assert [item.path for item in report.files] == ["b.yaml"]
    assert await ready.find(GROUP, name="c")
    assert await ready.find(GROUP, name="b")  # objects stay


async def test_order_does_not_matter(ready: World, directory: Path, discovery: Discovery) -> None:
    chain = ["z", "m", "q", "a", "k"]
    for number, name in enumerate(chain):
        (directory / f"{name}.yaml").write_text(group(name, parent=chain[number - 1] if number else ""))
    report = await discovery.run(now=NOW)
    assert report.ok, render(report)
    for child, parent in zip(chain[1:], chain, strict=False):
        wanted = (await ready.one(GROUP, name=parent)).pk
        assert (await ready.one(GROUP, name=child)).values["parents"] == (wanted,)


async def test_optional_references_wait_for_later_files(ready: World, directory: Path, discovery: Discovery) -> None:
    brand = "authentik_brands.brand"
    (directory / "a.yaml").write_text(
        f"version: 1\nentries:\n  - model: {brand}\n    identifiers: {{domain: shop.example}}\n"
        "    attrs: {flow_recovery: !Find [authentik_flows.flow, [slug, mine]], "
        "flow_device_code: !Find [authentik_flows.flow, [slug, never]]}\n"
    )
    (directory / "b.yaml").write_text(
        "version: 1\nentries:\n  - model: authentik_flows.flow\n    identifiers: {slug: mine}\n"
        "    attrs: {name: Mine, title: t, designation: recovery}\n"
    )
    report = await discovery.run(now=NOW)
    assert report.ok, render(report)
    values = (await ready.one(brand, domain="shop.example")).values
    assert values["flow_recovery"] == (await ready.one("authentik_flows.flow", slug="mine")).pk
    assert values["flow_device_code"] is None
    assert "flow_device_code is null: !Find" in render(report)
    assert (await read_states(ready.database))["a.yaml"].status == "warning"


async def test_unchanged_files_are_left_alone_and_drift_with_them(
    ready: World, directory: Path, discovery: Discovery
) -> None:
    path = directory / "a.yaml"
    path.write_text(group("a").replace("attrs: {}", "attrs: {is_superuser: false}"))
    await discovery.run(now=NOW)
    await ready.change(GROUP, {"name": "a"}, is_superuser=True)
    assert not (await discovery.run(now=NOW + 1)).files
    assert (await read_states(ready.database))["a.yaml"].last_applied == NOW
    os.utime(path, (1, 1))
    assert not (await discovery.run(now=NOW + 2)).files
    path.write_text(path.read_text() + "# another hash\n")
    assert (await discovery.run(now=NOW + 3)).changed
    assert (await ready.one(GROUP, name="a")).values["is_superuser"] is False


async def test_a_failed_file_is_tried_again_and_told_once(
    ready: World, directory: Path, discovery: Discovery, caplog: pytest.LogCaptureFixture
) -> None:
    text = group("a").replace("identifiers", "state: !Env STATE, identifiers")
    (directory / "a.yaml").write_text(text)
    (directory / "bad.yaml").write_text("version: 1\nentries: !Nope x\n")
    ready.environ["STATE"] = "nonsense"
    assert not (await discovery.run(now=NOW)).ok
    assert not (await discovery.run(now=NOW + 1)).ok
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert [message.split()[1] for message in errors] == ["bad.yaml", "a.yaml"]
    state = (await read_states(ready.database))["a.yaml"]
    assert (state.status, state.last_applied_hash) == ("error", "")
    assert "expected one of present, created" in state.message
    assert (await ready.one(INSTANCE, path="a.yaml")).values["name"] == "a"
    ready.environ["STATE"] = "present"
    assert [item.path for item in (await discovery.run(now=NOW + 2)).files if item.error is None] == ["a.yaml"]
    assert (await read_states(ready.database))["a.yaml"].status == "successful"


async def test_instances(ready: World, directory: Path, discovery: Discovery) -> None:
    (directory / "a.yaml").write_text(group("a", title="Same"))
    (directory / "b.yaml").write_text(group("b", title="Same"))
    (directory / "c.yaml").write_text(group("c", labels='blueprints.goauthentik.io/instantiate: "false"'))
    await discovery.run(now=NOW)
    assert (await ready.one(INSTANCE, path="a.yaml")).values["name"] == "Same"
    assert (await ready.one(INSTANCE, path="b.yaml")).values["name"] == "Same (b.yaml)"
    assert await ready.find(INSTANCE, path="c.yaml") is None
    assert await ready.find(GROUP, name="c") is None
    await ready.change(INSTANCE, {"path": "a.yaml"}, enabled=False)
    (directory / "a.yaml").write_text(group("changed", title="Same"))
    assert not (await discovery.run(now=NOW)).files
    (directory / "a.yaml").unlink()
    (directory / "b.yaml").write_text("not: a blueprint, but: there")
    await discovery.run(now=NOW)
    assert await ready.find(INSTANCE, path="a.yaml") is None
    assert await ready.find(INSTANCE, path="b.yaml") is not None
    assert await ready.find(GROUP, name="a")
    assert set(await read_states(ready.database)).isdisjoint({"a.yaml"})


async def test_a_missing_directory_removes_nothing(ready: World, directory: Path, discovery: Discovery) -> None:
    (directory / "a.yaml").write_text(group("a"))
    await discovery.run(now=NOW)
    directory.rename(directory.with_name("away"))
    report = await discovery.run(now=NOW)
    assert report.notices == (f"the blueprints directory {directory} does not exist",)
    assert await ready.find(INSTANCE, path="a.yaml")


async def test_keys_of_a_wrapper_have_instances_of_their_own(
    ready: World, directory: Path, discovery: Discovery
) -> None:
    def wrapper(*names: str) -> str:
        keys = [f"  {name}.yaml: |\n" + "".join(f"    {line}\n" for line in group(name).splitlines()) for name in names]
        return "apiVersion: v1\nkind: ConfigMap\ndata:\n" + "".join(keys)

    (directory / "w.yaml").write_text(wrapper("a", "b"))
    await discovery.run(now=NOW)
    assert await ready.find(INSTANCE, path="w.yaml#a.yaml")
    (directory / "w.yaml").write_text(wrapper("b", "c"))
    assert [item.path for item in (await discovery.run(now=NOW)).files] == ["w.yaml#c.yaml"]
    assert await ready.find(INSTANCE, path="w.yaml#a.yaml") is None
    (directory / "w.yaml").write_text("a: [")
    await discovery.run(now=NOW)
    assert await ready.find(INSTANCE, path="w.yaml#b.yaml")


async def test_an_instance_with_content_and_its_context(ready: World, discovery: Discovery) -> None:
    content = f"version: 1\nentries:\n  - {{model: {GROUP}, identifiers: {{name: !Context [who, nobody]}}}}\n"

    async def make(workspace: object) -> None:
        await workspace.create(INSTANCE, {"name": "inline", "content": content, "context": {"who": "ada"}})  # type: ignore[attr-defined]
        await workspace.create(INSTANCE, {"name": "far", "path": "oci://registry.example/x:1"})  # type: ignore[attr-defined]

    await ready.editor.edit(make, author="somebody", message="by hand", now=NOW)
    report = await discovery.run(now=NOW)
    assert await ready.find(GROUP, name="ada")
    assert [str(item.error) for item in report.files if item.error] == [
        "oci://registry.example/x:1:1:1: OCI registries are not available yet"
    ]
    await ready.change(INSTANCE, {"name": "inline"}, context={"who": "eve"})
    await discovery.run(now=NOW)
    assert await ready.find(GROUP, name="eve")
    assert await ready.find(INSTANCE, name="far")


async def test_a_file_of_the_directory_replaces_a_shipped_one(world: World, directory: Path) -> None:
    await world.defaults()
    (directory / "default").mkdir()
    (directory / "default/default-groups.yaml").write_text(group("ours", title="Default - Groups"))
    report = await world.discovery(directory).run(now=NOW)
    assert [item.path for item in report.files] == ["default/default-groups.yaml"]
    assert await world.find(GROUP, name="ours")


async def test_on_both_databases(database: Database, directory: Path) -> None:
    world = await make_world(database)
    await world.defaults()
    (directory / "a.yaml").write_text(group("a"))
    discovery = world.discovery(directory)
    assert (await discovery.run(now=NOW)).changed
    assert not (await discovery.run(now=NOW)).files
    (directory / "a.yaml").unlink()
    await discovery.run(now=NOW)
    assert world.editor.plane.snapshot.find(BlueprintInstance, path="a.yaml") is None


async def test_the_job_and_the_watch(ready: World, directory: Path, discovery: Discovery) -> None:
    [job] = discovery_jobs(discovery)
    assert (job.name, job.schedule) == (DISCOVER, 3_600_000_000)
    (directory / "a.yaml").write_text(group("a"))
    await job.handler({}, now=NOW)
    assert await ready.find(GROUP, name="a")

    async def queued(at_least: int) -> int:
        async def enough() -> bool:
            return await count() >= at_least

        await until(enough)
        return await count()

    async def count() -> int:
        return len(await ready.database.fetch("SELECT name FROM task WHERE name = ?", DISCOVER))

    watching = asyncio.create_task(watch(ready.database, directory, clock=lambda: NOW, seconds=0.01).run())
    assert await queued(1) == 1
    (directory / "b.yaml").write_text(group("b"))
    assert await queued(2) == 2
    await asyncio.sleep(0.1)
    assert await queued(2) == 2
    watching.cancel()
