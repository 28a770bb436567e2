from __future__ import annotations

import io
import json
import os
import sys
import tarfile
import time
from pathlib import Path

import pytest
from delivery_world import World
from ostiary_delivery import audit, build, compress, layer, oci, plan
from ostiary_delivery.definition import Layers
from ostiary_delivery.errors import BadDefinition, Refusal, Tampered
from ostiary_delivery.plan import Component
from ostiary_delivery.python import bytecode
from ostiary_delivery.python.wheel import read as read_wheel
from ostiary_delivery.tree import Entry, file
from small_archive import make_wheel


def members(built: build.BuiltImage) -> dict[str, tarfile.TarInfo]:
    found: dict[str, tarfile.TarInfo] = {}
    for part in built.layers:
        with tarfile.open(fileobj=io.BytesIO(part.packed)) as archive:
            found |= {member.name: member for member in archive}
    return found


def test_the_same_inputs_make_the_same_image_in_another_folder(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.lock()
    first = world.build()
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    time.tzset()
    before = os.umask(0o077)
    try:
        second = world.elsewhere(tmp_path / "another folder").build()
    finally:
        os.umask(before)
        monkeypatch.undo()
        time.tzset()
    assert second.image == first.image
    assert second.blobs == first.blobs


def test_a_second_build_takes_every_layer_from_the_cache(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.lock()
    first = world.build()
    monkeypatch.setattr(build, "_build_layer", None)
    assert world.build().image.digest == first.image.digest


def test_the_image_is_what_was_declared(world: World) -> None:
    world.lock()
    built = world.build()
    found = members(built)
    assert found["usr/lib/libc.so.6"].mode == 0o644
    assert (found["data"].mode, found["data"].uid) == (0o700, 65534)
    assert (found["tmp"].mode, found["tmp"].uid) == (0o1777, 0)
    assert found["bin"].linkname == "usr/bin"
    assert found["usr/local/lib/python3.13/dist-packages/screw/__init__.py"].size == 3000
    assert {member.mtime for member in found.values()} == {layer.EPOCH}
    config = json.loads(built.image.config)
    assert config["config"]["User"] == "65534:65534"
    assert config["config"]["Entrypoint"] == ["/usr/local/bin/door"]
    assert config["config"]["ExposedPorts"] == {"9000/tcp": {}}
    assert [one["created_by"] for one in config["history"]] == [
        "deb door-data 1:7.0~rc1+dfsg-1",
        "deb libc 2.41-12",
        "wheel hinge 1.0",
        "wheel screw 1.0",
        "files files",
        "own door 1.2.0",
    ]


def test_our_change_moves_our_layer_alone(world: World) -> None:
    world.lock()
    before = world.build()
    (world.repository / "door/__init__.py").write_text("def main():\n    return 1\n")
    after = world.build()
    moved = set(after.blobs) - set(before.blobs)
    assert [part.layer.title for part in after.layers if part.layer.digest in moved] == ["own door 1.2.0"]


def test_an_input_in_the_cache_that_was_changed_is_refused_by_name(world: World) -> None:
    found = world.lock()
    libc = next(one for one in found.debs if one.name == "libc")
    world.cache.path(libc.sha256).write_bytes(b"evil")
    with pytest.raises(Tampered, match=r"libc_.*\.deb is not what was locked"):
        world.build()


@pytest.mark.parametrize(
    ("files", "modes", "said"),
    [
        ({"bin/sh": b"#!"}, {}, "/usr/bin/sh is a shell"),
        ({"usr/bin/dpkg": b"x"}, {}, "/usr/bin/dpkg is a package manager"),
        ({"usr/bin/su": b"x"}, {"usr/bin/su": 0o4755}, "/usr/bin/su runs with its owner's rights"),
        ({"usr/share/door": b"other"}, {}, "/usr/share/door is in"),
    ],
)
def test_what_an_image_must_not_hold_stops_the_build(
    world: World, files: dict[str, bytes], modes: dict[str, int], said: str
) -> None:
    world.change("smallest = 200", "smallest = 0")
    world.archive.add("libc", "2.41-12", files=files, modes=modes)
    world.archive.publish()
    world.lock()
    with pytest.raises(Refusal) as refusal:
        world.build()
    assert said in str(refusal.value)


def test_a_folder_for_everybody_needs_the_sticky_bit() -> None:
    seen = [audit.LayerFile("tmp", "directory", 0o1777), audit.LayerFile("open", "directory", 0o777)]
    assert audit.validate_layers({"a": seen}) == ["a: /open is a folder where everybody can replace everything"]


def test_dropping_needs_something_to_drop(world: World) -> None:
    world.change(
        "ports = [9000]", 'ports = [9000]\ndrop = ["usr/share/doc/*", "usr/nothing/*"]\nkeep = ["*/copyright"]'
    )
    world.lock()
    with pytest.raises(Refusal, match=r"matches nothing with usr/nothing/\*$"):
        world.build()
    world.change(', "usr/nothing/*"', "")
    found = members(world.build())
    assert "usr/share/doc/libc/copyright" in found


def test_globs_are_for_what_packages_bring(world: World) -> None:
    world.archive.add("door-data", depends="libc, shell", files={"etc/door.conf": b"x", "usr/share/door": b"x" * 500})
    world.archive.publish()
    world.change("ports = [9000]", 'ports = [9000]\ndrop = ["etc/*"]')
    world.lock()
    found = members(world.build())
    assert "etc/door.conf" not in found
    assert {"etc/hosts", "etc/os-release", "etc/passwd"} <= set(found)


def test_scripts_of_packages_must_be_declared_as_not_needed(world: World) -> None:
    world.archive.add("libc", "2.41-12", scripts=["postinst"])
    world.archive.publish()
    world.lock()
    with pytest.raises(BadDefinition, match=r"libc has a script"):
        world.build()
    world.change("[debian.without]", '[debian.scripts]\nlibc = "restarts services"\n[debian.without]')
    world.build()


def test_a_raised_lock_stops_the_build_until_the_version_is_declared(world: World) -> None:
    world.archive.add("libc", "2.42-1", files={"lib/libc.so.6": b"D" * 9000})
    world.archive.publish()
    world.lock()
    with pytest.raises(Refusal, match=r"version drift: deb libc is 2.42-1, and declared is 2.41"):
        world.build()
    world.change('equals = "2.41"', 'equals = "2.42"')
    world.build()


def test_a_package_that_is_not_what_its_name_says_is_refused(world: World) -> None:
    world.lock()
    path = world.container.folder / "container.lock"
    path.write_text(path.read_text().replace('"2.41-12"', '"2.41-11"'))
    with pytest.raises(Refusal, match=r"says it is libc 2.41-12, and the lock libc 2.41-11"):
        world.build()


def test_one_part_is_built_as_it_will_be_in_the_whole(world: World) -> None:
    world.lock()
    part = build.build_layer(world.container, "screw", at=world.at)
    assert part.layer.digest in world.build().blobs
    with pytest.raises(BadDefinition, match=r"no component nut; there are: door-data, libc, hinge, screw, files, door"):
        build.build_layer(world.container, "nut", at=world.at)


def test_a_layout_is_read_as_it_was_written(world: World, tmp_path: Path) -> None:
    world.lock()
    built = world.build()
    oci.save(tmp_path / "image", built.image, blobs=built.blobs, tag="v1.2.0-0123456")
    found = oci.open_layout(tmp_path / "image")
    assert (found.image, found.tag) == (built.image, "v1.2.0-0123456")
    for part in built.layers:
        assert found.blob(part.layer.digest) == part.packed
    path = tmp_path / "image/blobs/sha256" / built.layers[0].layer.digest.removeprefix("sha256:")
    path.write_bytes(b"evil")
    with pytest.raises(Tampered, match=path.name):
        found.blob(built.layers[0].layer.digest)


def test_another_compressor_is_refused(world: World) -> None:
    found = world.lock()
    path = world.container.folder / "container.lock"
    path.write_text(path.read_text().replace(found.compressor.probe, "0" * 64))
    with pytest.raises(Refusal, match=r"compressor"):
        world.build()


def test_the_compressor_and_the_archive_have_known_bytes() -> None:
    entries = [file("a/b", b"text"), Entry(path="a", kind="directory", mode=0o700, owned=True)]
    packed = layer.archive(entries, user=7)
    assert layer.digest_of(packed) == layer.digest_of(layer.archive(entries[::-1], user=7))
    assert (len(packed), layer.digest_of(packed)[7:19]) == (10240, "c80c6e3ae007")
    assert compress.probe(10)[:12] == "a3ab900319ec"


def test_small_packages_share_and_the_budget_is_kept() -> None:
    units = [
        Component(kind="deb", name=f"d{number}", version="1", identity="", size=100 * number) for number in range(1, 9)
    ]
    units += [Component(kind="own", name="own", version="1", identity="", size=5)]
    groups = plan.layers(units, rule=Layers(budget=60, smallest=300))
    assert [len(group) for group in groups] == [2, 1, 1, 1, 1, 1, 1, 1]
    groups = plan.layers(units, rule=Layers(budget=4, smallest=300))
    assert len(groups) <= 4
    assert [unit.name for unit in groups[-1]] == ["own"]


def test_bytecode_says_nothing_of_time_place_and_order() -> None:
    here = bytecode.Interpreter(command=(sys.executable, "-s", "-S", "-B"), environment=(), tag="cpython-3")
    sources = [file("lib/a.py", b"A = {'x', 'y'}\n"), file("lib/bad.py", b"def\n"), file("lib/b.py", b"B = 'x'\n")]
    found = bytecode.compiled(sources, interpreter=here)
    assert [one.path for one in found] == ["lib/__pycache__/a.cpython-3.pyc", "lib/__pycache__/b.cpython-3.pyc"]
    assert bytecode.compiled(sources[::-1], interpreter=here) == found
    assert found[0].content[4:8] == b"\x01\x00\x00\x00"  # PEP 552: by hash, unchecked
    assert b"/lib/a.py" in found[0].content


def test_another_architecture_is_run_by_qemu_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}" if name == "qemu-aarch64" else None)
    assert bytecode.emulator("amd64") == ()
    assert bytecode.emulator("arm64") == ("/usr/bin/qemu-aarch64",)
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(Refusal, match=r"bytecode for arm64 here, install qemu-user-static"):
        bytecode.emulator("arm64")


def test_of_the_scripts_of_wheels_the_image_has_those_it_declares(world: World) -> None:
    world.lock()
    assert not any("turn" in path or "strip" in path for path in members(world.build()))
    world.change('python = "3.13"\n', 'python = "3.13"\nscripts = ["turn"]\n')
    found = members(world.build())
    assert (found["usr/local/bin/turn"].mode, found["usr/local/bin/turn"].size) == (0o755, len(b"\x7fELF turn"))
    assert "usr/local/bin/strip" not in found
    world.change('scripts = ["turn"]', 'scripts = ["turn", "hammer"]')
    with pytest.raises(Refusal, match=r"wheels\.scripts names hammer, which no wheel has"):
        world.build()


def test_a_wheel_whose_file_is_not_the_recorded_one_is_refused() -> None:
    good = make_wheel("hinge", body=b"GOOD = 1\n")
    with pytest.raises(Tampered, match=r"hinge\.whl: hinge/__init__\.py"):
        read_wheel(_with_other_body(good), name="hinge.whl")


def _with_other_body(data: bytes) -> bytes:
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as given, zipfile.ZipFile(buffer, "w") as made:
        for member in given.infolist():
            content = given.read(member)
            made.writestr(member.filename, content.replace(b"GOOD", b"EVIL"))
    return buffer.getvalue()
