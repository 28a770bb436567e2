from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from delivery_world import World
from ostiary_delivery import lockfile, locking, settings
from ostiary_delivery.cache import Absent, Artifact, Cache
from ostiary_delivery.definition import read
from ostiary_delivery.errors import BadDefinition, Refusal, Stale, Tampered, Unreachable
from ostiary_delivery.progress import Advance, Silent
from small_archive import DATE, Signer, make_wheel


def test_a_lock_holds_every_input_and_no_place(world: World) -> None:
    found = world.lock()
    assert [(one.name, one.version) for one in found.debs] == [("door-data", "1:7.0~rc1+dfsg-1"), ("libc", "2.41-12")]
    assert [(one.name, one.version) for one in found.wheels] == [("hinge", "1.0"), ("screw", "1.0")]
    text = (world.container.folder / lockfile.FILE).read_text()
    assert "//" not in text
    assert str(world.archive.root) not in text
    assert lockfile.load(world.container.folder) == found
    assert lockfile.identity(found) == hashlib.sha256(text.encode()).hexdigest()


def test_locking_again_changes_nothing(world: World) -> None:
    first = world.lock()
    world.archive.publish(date=DATE + 5)  # a newer release with the same packages is no news
    assert world.lock(update=locking.Update()) == first


def test_what_is_gone_is_listed_and_never_replaced_in_silence(world: World) -> None:
    first = world.lock()
    world.archive.add("libc", "2.42-1", files={"lib/libc.so.6": b"D" * 9000})
    world.archive.publish()
    with pytest.raises(Stale) as stale:
        world.lock(update=locking.Update())
    assert stale.value.missing == ("libc 2.41-12 (there is 2.42-1)",)
    assert stale.value.exit_code == 3
    assert "--update" in str(stale.value)
    assert lockfile.load(world.container.folder) == first
    moved = world.lock(update=locking.Update(names=frozenset({"libc"})))
    assert locking.changes(first, moved) == ["deb libc 2.41-12 -> 2.42-1"]


def test_a_lock_whose_packages_left_the_archive_is_stale_when_built(world: World) -> None:
    found = world.lock()
    for one in found.debs:
        (world.archive.root / one.path).unlink()
        world.cache.path(one.sha256).unlink()
    (world.index / found.wheels[0].file).unlink()
    world.cache.path(found.wheels[0].sha256).unlink()
    with pytest.raises(Stale) as stale:
        world.build()
    assert stale.value.missing == ("door-data 1:7.0~rc1+dfsg-1", "libc 2.41-12", "hinge 1.0")


def test_inputs_that_somebody_kept_serve_as_well(world: World, tmp_path: Path) -> None:
    found = world.lock()
    kept = tmp_path / "kept"
    kept.mkdir()
    for wanted in (one.artifact for part in (found.debs, found.wheels) for one in part):
        world.cache.path(wanted.sha256).rename(kept / wanted.name)
    for one in found.debs:
        (world.archive.root / one.path).unlink()
    cache = Cache(tmp_path / "empty", inputs=[kept])
    assert all(cache.read(one.artifact) for part in (found.debs, found.wheels) for one in part)


def test_a_release_of_another_key_is_refused(world: World, tmp_path: Path) -> None:
    world.archive.signer = Signer(tmp_path / "other")
    world.archive.publish()
    with pytest.raises(Tampered, match=r"InRelease is not signed"):
        world.lock()


def test_text_after_the_signature_is_not_believed(world: World) -> None:
    path = world.archive.root / "dists/small/InRelease"
    signed = path.read_bytes()
    path.write_bytes(signed.replace(b"Codename: small", b"Codename: large"))
    with pytest.raises(Tampered):
        world.lock()


def test_a_list_of_packages_that_was_changed_is_refused_by_name(world: World) -> None:
    world.forget()
    path = world.archive.root / "dists/small/main/binary-amd64/Packages"
    path.write_bytes(path.read_bytes().replace(b"2.41-12", b"2.41-13"))
    with pytest.raises(Tampered, match=r"small/main/binary-amd64/Packages"):
        world.lock()


def test_an_old_copy_of_an_archive_is_refused(world: World) -> None:
    world.archive.publish(until=DATE + 10)
    world.lock(now=DATE)
    with pytest.raises(Refusal, match=r"was valid until"):
        world.lock(now=DATE + 11)


def test_a_package_that_was_changed_is_refused_by_name(world: World) -> None:
    world.forget()
    path = next((world.archive.root / "pool").glob("libc_*"))
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(Tampered, match=path.name):
        world.lock()


def test_every_step_is_counted_to_its_end(world: World) -> None:
    world.forget()
    steps: dict[str, list[int]] = {}

    class Counting(Silent):
        @contextmanager
        def step(self, title: str, total: int, *, unit: str = "") -> Iterator[Advance]:
            told = steps.setdefault(title, [0, 0])
            told[1] += total

            def advance(amount: int) -> None:
                told[0] += amount

            yield advance

    at = locking.LockContext(
        repository=world.repository, settings=world.settings, cache=world.cache, progress=Counting(), now=DATE
    )
    locking.lock(world.container, old=None, update=locking.Update(everything=True), at=at)
    assert set(steps) == {"indexes", "resolving", "debs", "wheels"}
    assert all(done == total > 0 for done, total in steps.values()), steps


def test_a_wheel_that_was_changed_is_refused_by_name(world: World) -> None:
    world.forget()
    (world.index / "screw-1.0-py3-none-any.whl").write_bytes(make_wheel("screw", body=b"evil\n"))
    with pytest.raises(Tampered, match=r"screw 1.0"):
        world.lock()


def test_an_index_that_does_not_answer_is_not_a_stale_lock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.forget()
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    with pytest.raises(Unreachable, match=r"hinge 1.0"):
        world.lock()


def test_a_requirement_that_is_not_pinned_is_named(world: World) -> None:
    path = world.repository / "requirements.txt"
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if "screw" not in line))
    with pytest.raises(Refusal, match=r"hinge needs screw"):
        world.lock()


def test_all_problems_of_packages_are_told_at_once(world: World) -> None:
    world.change('packages = ["door-data", "libc"]', 'packages = ["door-data", "libd", "libe"]')
    world.change("[debian.without]", '[debian.without]\nnobody = "for no reason"')
    with pytest.raises(Refusal) as refusal:
        world.lock()
    assert str(refusal.value).splitlines() == [
        "nobody is left out, but nothing needs it",
        "there is no package libd",
        "there is no package libe",
    ]


def test_bounds_and_conflicts_are_kept(world: World) -> None:
    world.archive.add("door-data", "8", depends="libc (>= 3)", fields={"Breaks": "libc (<< 9)"})
    world.archive.publish()
    with pytest.raises(Refusal) as refusal:
        world.lock()
    assert "door-data needs libc (>= 3), which no suite has" in str(refusal.value)
    assert "door-data excludes libc (<< 9), and there is 2.41-12" in str(refusal.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "door"', 'name = "gate"', "its folder 'door'"),
        ("[debian]", "colour = 1\n[debian]", "the file has unknown keys: colour"),
        ('tmp = "1777"', 'tmp = "x"', "'x' is not a mode"),
        ('version = "1.2.0"', "version = 1", "version must be a text"),
        ("[debian]", 'parent = "house"\n[debian]', "must begin with 'house-'"),
    ],
)
def test_a_definition_that_is_wrong_says_where(world: World, old: str, new: str, said: str) -> None:
    world.change(old, new)
    with pytest.raises(BadDefinition, match=r"container.toml") as refusal:
        read(world.repository, "door")
    assert said in str(refusal.value)


def test_archives_come_from_settings_or_from_apt(tmp_path: Path) -> None:
    apt = tmp_path / "apt"
    (apt / "sources.list.d").mkdir(parents=True)
    (apt / "sources.list.d/debian.sources").write_text(
        "Types: deb\nURIs: http://mirror.example/debian\nSuites: small\n\n"
        "Types: deb\nURIs: http://mirror.example/debian-security/\nSuites: small-security\n"
    )
    (apt / "sources.list").write_text("deb https://other.example/tools stable main\n")
    found = settings.load({"HOME": "/home/me"}, apt=apt)
    assert found.archive_url("small") == "http://mirror.example/debian"
    assert found.archive_url("small-security") == "http://mirror.example/debian-security"
    assert found.cache == Path("/home/me/.cache/ostiary-delivery")
    set_here = settings.load({"HOME": "/", settings.ARCHIVE: "file:///a/", settings.CACHE: "/c"}, apt=apt)
    assert (set_here.archive_url("small"), set_here.cache) == ("file:///a", Path("/c"))
    with pytest.raises(BadDefinition, match=settings.ARCHIVE):
        settings.load({"HOME": "/"}, apt=tmp_path).archive_url("small")


class Halting(http.server.BaseHTTPRequestHandler):
    """Sends half of the file, hangs up, and goes on from where it is asked to."""

    body = bytes(range(256)) * 400
    asked: list[str | None]

    def do_GET(self) -> None:
        start = self.headers.get("Range")
        self.asked.append(start)
        at = int(start.removeprefix("bytes=").rstrip("-")) if start else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.body) - at))
        self.end_headers()
        self.wfile.write(self.body[at:] if start else self.body[: len(self.body) // 2])

    def log_message(self, *_: object) -> None:
        pass


def test_an_interrupted_download_goes_on_where_it_was(tmp_path: Path) -> None:
    Halting.asked = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Halting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    body = Halting.body
    wanted = Artifact(name="big", sha256=hashlib.sha256(body).hexdigest(), size=len(body))
    cache = Cache(tmp_path)
    told: list[int] = []
    cache.fetch(f"http://127.0.0.1:{server.server_port}/big", wanted, advance=told.append)
    server.shutdown()
    server.server_close()
    assert cache.read(wanted) == body
    assert Halting.asked == [None, f"bytes={len(body) // 2}-"]


def test_nobody_there_and_nothing_there_are_two_things(tmp_path: Path) -> None:
    wanted = Artifact(name="big", sha256="0" * 64, size=1)
    with pytest.raises(Absent):
        Cache(tmp_path).fetch((tmp_path / "none").as_uri(), wanted)
    with pytest.raises(Unreachable):
        Cache(tmp_path).fetch("http://127.0.0.1:9/none", wanted)
