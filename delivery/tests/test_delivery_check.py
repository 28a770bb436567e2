"""Five places say a version; each changed alone is caught, with file and line."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from delivery_world import World
from ostiary_delivery import contents, difference, git, lockfile, oci, sbom, services
from ostiary_delivery.check import Report, check
from ostiary_delivery.errors import BadDefinition, Refusal
from small_archive import write

SERVICES = """# kept as it is
services:
  - name: door
    type: container
    current-version: "v1.2.0"

  - name: door-bell   # rings
    current-version: null
"""
KUSTOMIZATION = """images:
  - name: registry.example/house/door
    newTag: v1.2.0-0123456
    digest: {digest}
"""


@pytest.fixture
def built(world: World) -> World:
    """A world where all five places agree."""
    world.lock()
    image = world.build()
    oci.save(world.repository / "dist/images/door", image.image, blobs=image.blobs, tag=None)
    write(world.repository / services.FILE, SERVICES)
    text = KUSTOMIZATION.format(digest=image.image.digest)
    write(world.repository / "deploy/overlays/home/kustomization.yaml", text)
    return world


def run(world: World) -> Report:
    return check(world.repository, images=world.repository / "dist/images", cache=world.cache)


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_agreement_is_silent_and_quick(built: World) -> None:
    assert run(built).problems == []
    begun = time.process_time()
    run(built)
    assert time.process_time() - begun < 1


def test_place_1_the_declared_version(built: World) -> None:
    change(built.definition_file, 'version = "1.2.0"', 'version = "1.3.0"')
    wrong = "\n".join(run(built).problems)
    assert "service-versions.yaml:5: door is v1.2.0 here, and 1.3.0 in containers/door/container.toml:3" in wrong
    assert "dist/images/door:1: the image says it is 1.2.0" in wrong
    assert "kustomization.yaml:3: door is 1.2.0 here, and 1.3.0" in wrong


def test_a_package_that_the_project_needs_and_the_lock_has_not(built: World) -> None:
    project = built.repository / "pyproject.toml"
    assert "dependencies = [" in project.read_text()
    change(project, "dependencies = [", 'dependencies = [ "newcomer>=1", "elsewhere; sys_platform == \'win32\'",')
    (line,) = run(built).problems
    assert line == "containers/door/container.lock:1: newcomer is not here, and pyproject.toml needs it"


def test_a_package_that_the_requirements_pin_to_another_version(built: World) -> None:
    lock = lockfile.load(built.repository / "containers/door")
    first = lock.wheels[0]
    change(built.repository / "requirements.txt", f"{first.name}=={first.version}", f"{first.name}==99.1")
    (line,) = run(built).problems
    assert line.startswith("containers/door/container.lock:")
    assert line.endswith(f": {first.name} is {first.version} here, and 99.1 in requirements.txt")


def test_the_versions_of_this_repository_agree(world: World, tmp_path: Path) -> None:
    assert check(Path(__file__).parents[2], images=tmp_path, cache=world.cache).problems == []


def test_place_1_is_repeated_for_nix(built: World) -> None:
    path = built.definition_file.with_name("default.nix")
    path.write_text('import ./image.nix {\n  folder = ./.;\n  version = "1.2.0"; # version = "7"\n}\n')
    assert run(built).problems == []
    change(path, '"1.2.0"', '"1.1.0"')
    assert run(built).problems == [
        "containers/door/default.nix:3: door is 1.1.0 here, and 1.2.0 in containers/door/container.toml:3"
    ]
    path.write_text("{ }\n")
    assert run(built).problems == [
        'containers/door/default.nix:1: there is no version = "1.2.0" here, as in containers/door/container.toml:3'
    ]


def test_place_2_the_reviewed_version(built: World) -> None:
    change(built.repository / services.FILE, "v1.2.0", "v1.1.0")
    assert run(built).problems == [
        "service-versions.yaml:5: door is v1.1.0 here, and 1.2.0 in containers/door/container.toml:3"
    ]


def test_place_3_the_lock(built: World) -> None:
    change(built.container.folder / lockfile.FILE, '"2.41-12"', '"2.42-1"')
    wrong = run(built).problems
    assert any(
        "container.lock:" in line and "libc is 2.42-1 here, and 2.41 in containers/door" in line for line in wrong
    )
    assert any("deb libc 2.42-1 is locked and not in the image" in line for line in wrong)


def test_place_4_the_bytes_of_the_image(built: World) -> None:
    """Another image stands where ours should: labels and lock agree, its bytes do not."""
    other = built.elsewhere(built.repository.with_name("other"))
    change(other.repository / "pyproject.toml", 'version = "1.2.0"', 'version = "1.1.9"')
    change(other.definition_file, '[[assert]]\nwheel = "door"\n', "")
    image = other.build()
    oci.save(built.repository / "dist/images/door", image.image, blobs=image.blobs, tag=None)
    change(
        built.repository / "deploy/overlays/home/kustomization.yaml",
        "digest: sha256",
        f"digest: {image.image.digest} #",
    )
    assert run(built).problems == [
        "dist/images/door:1: version drift: wheel door is 1.1.9, and declared is 1.2.0 in containers/door/container.toml:30"
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("v1.2.0-0123456", "v1.1.0-0123456", "kustomization.yaml:3: door is 1.1.0 here, and 1.2.0"),
        ("v1.2.0-0123456", "latest", "kustomization.yaml:3: the tag latest of door is not v<version>-<commit"),
        ("digest: sha256:", "digest: sha256:0", "kustomization.yaml:4: door is sha256:0"),
        ("    digest:", "    other:", "kustomization.yaml:3: door has no digest"),
    ],
)
def test_place_5_the_manifests(built: World, old: str, new: str, said: str) -> None:
    change(built.repository / "deploy/overlays/home/kustomization.yaml", old, new)
    wrong = run(built).problems
    assert len(wrong) == 1
    assert said in wrong[0]


def test_a_name_alone_is_a_hint_and_a_wrong_parent_an_error(built: World) -> None:
    report = run(built)
    assert report.hints == ["service-versions.yaml:7: door-bell looks attached to door: `services backfill` says so"]
    path = built.repository / services.FILE
    text, changed = services.backfill(path)
    assert changed == ["door-bell"]
    assert text == SERVICES.replace("# rings\n", "# rings\n    parent: door\n")
    path.write_text(text.replace("parent: door", "parent: gate"))
    assert run(built).problems == ["service-versions.yaml:8: the parent gate of door-bell is not in this file"]
    path.write_text(text.replace("name: door-bell ", "name: bell "))
    assert run(built).problems == ["service-versions.yaml:7: bell has the parent door: call it door-..."]


def test_a_container_that_nobody_reviews_is_named(built: World) -> None:
    (built.repository / services.FILE).write_text("services: []\n")
    assert run(built).problems == ["containers/door/container.toml:3: door is not in service-versions.yaml"]
    (built.repository / services.FILE).write_text("services: 7\n")
    with pytest.raises(BadDefinition, match=r"no list"):
        run(built)


def test_latest_is_refused() -> None:
    with pytest.raises(Refusal, match=r"latest identifies nothing"):
        git.parse_tag("latest")
    assert git.parse_tag("v1.2.0-0123456")["version"] == "1.2.0"


def test_the_bill_names_every_package_with_its_hash_and_is_stable(built: World) -> None:
    lock = lockfile.load(built.container.folder)
    layout = oci.open_layout(built.repository / "dist/images/door")
    text = sbom.bill(built.container, lock=lock, layout=layout)
    assert sbom.bill(built.container, lock=lock, layout=layout) == text
    found = {one["purl"]: one.get("hashes", [{}])[0].get("content") for one in json.loads(text)["components"]}
    assert found == {
        "pkg:deb/debian/door-data@1:7.0~rc1%2Bdfsg-1?arch=amd64&distro=debian-1": lock.debs[0].sha256,
        "pkg:deb/debian/libc@2.41-12?arch=amd64&distro=debian-1": lock.debs[1].sha256,
        "pkg:pypi/door@1.2.0": None,
        "pkg:pypi/hinge@1.0": lock.wheels[0].sha256,
        "pkg:pypi/screw@1.0": lock.wheels[1].sha256,
    }


@pytest.mark.parametrize(
    ("source", "upstream"), [("door", "door"), ("door (1:7.0~rc1+dfsg-1)", "door%401:7.0~rc1%2Bdfsg-1")]
)
def test_the_bill_names_the_source_package_that_trackers_know(
    world: World, tmp_path: Path, source: str, upstream: str
) -> None:
    fields = {"Source": source}
    world.archive.add("door-data", "1:7.0~rc1+dfsg-1+b2", depends="libc, shell", fields=fields)
    world.archive.publish()
    lock = world.lock()
    image = world.build()
    oci.save(tmp_path / "door", image.image, blobs=image.blobs, tag=None)
    told = json.loads(sbom.bill(world.container, lock=lock, layout=oci.open_layout(tmp_path / "door")))
    assert told["components"][0]["purl"] == (
        f"pkg:deb/debian/door-data@1:7.0~rc1%2Bdfsg-1%2Bb2?arch=amd64&distro=debian-1&upstream={upstream}"
    )


def test_a_difference_names_packages_and_predicts_the_push(built: World, tmp_path: Path) -> None:
    before = oci.open_layout(built.repository / "dist/images/door")
    (built.repository / "door/__init__.py").write_text("def main():\n    return 1\n")
    image = built.build()
    oci.save(tmp_path / "after", image.image, blobs=image.blobs, tag=None)
    after = oci.open_layout(tmp_path / "after")
    own = image.layers[-1].layer.size
    predicted = own + len(image.image.config) + len(image.image.manifest)
    assert difference.predicted(before, after) == predicted
    lines = list(difference.difference(before, after))
    assert [line[0] for line in lines] == ["-", "+", "a"]
    assert str(predicted) in lines[-1]
    assert list(difference.difference(before, before)) == [f"the same image: {before.image.digest}"]


def test_what_is_no_layer_is_refused_by_name() -> None:
    with pytest.raises(Refusal, match=r"sha256:12 is not a layer"):
        contents.read(b"nothing", name="sha256:12")
