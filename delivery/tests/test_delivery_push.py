"""Pushing to a registry that is a few lines of Python: what is sent, what is not, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from delivery_world import World
from ostiary_delivery import cache, cli, oci, provenance, sign
from ostiary_delivery.errors import BadDefinition, Refusal, Unreachable
from ostiary_delivery.registry import Place, Registry
from ostiary_delivery.sign import SIGNATURE


class Small(http.server.BaseHTTPRequestHandler):
    """Keeps blobs and manifests in memory, as the distribution specification asks."""

    blobs: dict[str, bytes]
    manifests: dict[str, bytes]
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer(200 if self.path.rpartition("/")[2] in self.blobs else 404)

    def do_GET(self) -> None:
        manifest = self.manifests.get(self.path.rpartition("/")[2])
        self.answer(404 if manifest is None else 200, manifest or b"")

    def do_POST(self) -> None:
        self.answer(202, location="/upload?state=1")

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if "digest=" in self.path:
            digest = self.path.rpartition("digest=")[2]
            assert digest == f"sha256:{hashlib.sha256(body).hexdigest()}"
            self.blobs[digest] = body
        else:
            self.manifests[self.path.rpartition("/")[2]] = body
        self.answer(201)

    def answer(self, status: int, body: bytes = b"", location: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def place() -> Iterator[str]:
    Small.blobs, Small.manifests = {}, {}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Small)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}/house/door"
    server.shutdown()
    server.server_close()


def saved(world: World, folder: Path, tag: str | None = None) -> oci.Layout:
    image = world.build()
    oci.save(folder, image.image, blobs=image.blobs, tag=tag)
    return oci.open_layout(folder)


def test_only_what_is_missing_is_sent_and_no_tag_moves(world: World, place: str, tmp_path: Path) -> None:
    world.lock()
    first = saved(world, tmp_path / "first")
    registry = Registry(Place.parse(place))
    told: list[int] = []
    assert registry.push(first, "v1.2.0-0123456", advance=told.append).total == first.image.size == sum(told)
    assert registry.push(first, "v1.2.0-0123456").total == 0
    moved = registry.push(first, "v1.2.0-1111111")
    assert (moved.blobs, moved.total) == ({}, len(first.image.manifest))  # a new name for the same image
    (world.repository / "door/__init__.py").write_text("def main():\n    return 2\n")
    second = saved(world, tmp_path / "second")
    with pytest.raises(Refusal, match=r"a tag is never moved"):
        registry.push(second, "v1.2.0-0123456")
    assert len(registry.push(second, "v1.2.0-2222222").blobs) == 2


def test_a_registry_that_is_none_is_unreachable(world: World, tmp_path: Path) -> None:
    world.lock()
    layout = saved(world, tmp_path / "first")
    with pytest.raises(Unreachable, match=r"127.0.0.1:9 does not answer"):
        Registry(Place.parse("127.0.0.1:9/house")).push(layout, "v1.2.0-0123456")


@pytest.mark.parametrize("text", ["door", "house/door", "host.example/door:latest", "host.example/door@sha256:1"])
def test_a_place_has_a_host_and_no_tag(text: str) -> None:
    with pytest.raises(BadDefinition, match=r"is not a place"):
        Place.parse(text)


def run(monkeypatch: pytest.MonkeyPatch, world: World, *words: str) -> int:
    monkeypatch.setenv("DELIVERY_ARCHIVE", world.settings.archive)
    monkeypatch.setenv("DELIVERY_KEYRING", str(world.settings.keyring))
    monkeypatch.setenv("DELIVERY_CACHE", str(world.settings.cache))
    monkeypatch.chdir(world.repository)
    monkeypatch.setattr("sys.argv", ["ostiary-delivery", *words])
    return cli.main()


def test_the_commands_from_lock_to_push(
    world: World, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, world, "lock", "--quiet") == 0
    assert "door: 2 debs, 2 wheels" in capsys.readouterr().out
    assert run(monkeypatch, world, "build", "--quiet") == 0
    assert "door: 6 layers" in capsys.readouterr().out
    assert run(monkeypatch, world, "build", "--quiet", "--only", "libc") == 0
    assert "deb libc 2.41-12" in capsys.readouterr().out
    assert run(monkeypatch, world, "list") == 0
    assert "door\t1.2.0\t-\tsha256:" in capsys.readouterr().out
    assert run(monkeypatch, world, "check") == 1
    assert "door is not in service-versions.yaml" in capsys.readouterr().err
    assert run(monkeypatch, world, "sbom", "door") == 0
    assert "CycloneDX" in capsys.readouterr().out
    assert run(monkeypatch, world, "push", "door", place, "--quiet") == 1
    assert "there are uncommitted changes" in capsys.readouterr().err
    assert run(monkeypatch, world, "push", "door", place, "--quiet", "--tag", "latest") == 1
    assert "latest identifies nothing" in capsys.readouterr().err
    assert run(monkeypatch, world, "push", "door", place, "--quiet", "--tag", "v1.2.0-0123456") == 0
    assert "v1.2.0-0123456@sha256:" in capsys.readouterr().out
    promote = ("promote", "door", place, "--from", "v1.2.0-0123456", "--tag")
    assert run(monkeypatch, world, *promote, "v1.2.0-abcdef0") == 0
    assert ": 0 blobs, " in capsys.readouterr().out
    (world.repository / "door/__init__.py").write_text("def main():\n    return 3\n")
    assert run(monkeypatch, world, "build", "--quiet") == 0
    assert run(monkeypatch, world, *promote, "v1.2.0-abcdef1") == 1
    assert "this commit builds sha256:" in capsys.readouterr().err


def test_what_is_signed_verifies_and_says_which_image(
    world: World, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    key, tag = tmp_path / "key.pem", "v1.2.0-0123456"
    monkeypatch.setenv("DELIVERY_KEY_PASSWORD", "house")
    assert run(monkeypatch, world, "new-key", str(key)) == 0
    assert key.stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED" in key.read_bytes()
    world.lock()
    layout = saved(world, world.repository / "dist/images/door")
    assert run(monkeypatch, world, "sign", "door", place, "--key", str(key)) == 1
    assert "push it first" in capsys.readouterr().err
    Registry(Place.parse(place)).push(layout, tag)
    Small.manifests[layout.image.digest] = layout.image.manifest
    assert run(monkeypatch, world, "sign", "door", place, "--key", str(key)) == 0
    name = layout.image.digest.replace(":", "-")
    public = serialization.load_pem_public_key(key.with_suffix(".pub").read_bytes())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    signed = json.loads(Small.manifests[f"{name}.sig"])["layers"][0]
    payload = Small.blobs[signed["digest"]]
    public.verify(base64.b64decode(signed["annotations"][SIGNATURE]), payload, ec.ECDSA(hashes.SHA256()))
    assert json.loads(payload)["critical"]["image"]["docker-manifest-digest"] == layout.image.digest
    kinds = set()
    for one in json.loads(Small.manifests[f"{name}.att"])["layers"]:
        envelope = json.loads(Small.blobs[one["digest"]])
        body = base64.b64decode(envelope["payload"])
        message = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(body), body)
        public.verify(base64.b64decode(envelope["signatures"][0]["sig"]), message, ec.ECDSA(hashes.SHA256()))
        said = json.loads(body)
        assert said["subject"][0]["digest"]["sha256"] == layout.image.digest.removeprefix("sha256:")
        kinds.add(said["predicateType"])
    assert kinds == {provenance.SLSA, provenance.CYCLONEDX}


def test_a_key_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("none")
    with pytest.raises(BadDefinition, match=r"cannot be used as a key"):
        sign.Signer.load(tmp_path / "key", password=None)
    (tmp_path / "key").write_bytes(sign.new_key(password="right"))
    with pytest.raises(BadDefinition, match=r"cannot be used as a key"):
        sign.Signer.load(tmp_path / "key", password="wrong")


def test_each_kind_of_error_has_its_exit_code(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, world, "build", "gate") == 2
    assert "known: door" in capsys.readouterr().err
    world.archive.add("libc", "2.42-1", files={"lib/libc.so.6": b"D" * 9000})
    world.archive.publish()
    assert run(monkeypatch, world, "lock", "--quiet") == 3
    assert "libc 2.41-12 (there is 2.42-1)" in capsys.readouterr().err
    monkeypatch.setattr(world.settings.__class__, "archive_url", lambda *_: "http://127.0.0.1:9")
    assert run(monkeypatch, world, "lock", "--quiet") == 4
    capsys.readouterr()


def test_the_doctor_says_what_is_missing(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert run(monkeypatch, world, "doctor") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "no  lock             choose packages: verifies archives (needs gpgv)" in lines
    assert any(line.startswith("no  run ") and "needs one of podman, runc" in line for line in lines)
    assert any(line.startswith("yes package archive") and world.settings.archive in line for line in lines)
    assert any(
        line.startswith("no  index") for line in lines
    )  # PIP_NO_INDEX is set, and packaging is not in the folder
    assert any(line.startswith("?   registry") for line in lines)


def test_the_doctor_asks_nobody_when_told_so(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cache, "get", lambda *_, **__: pytest.fail("it asked"))
    assert run(monkeypatch, world, "doctor", "--offline") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[4:20].strip() for line in lines if line.startswith("?")] == [
        "package archive",
        "security archive",
        "index",
        "registry",
    ]


@pytest.mark.parametrize(("status", "sign"), [(200, "yes"), (401, "yes"), (404, "no ")])
def test_the_doctor_asks_a_registry(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: int, sign: str
) -> None:
    class Answer(Small):
        manifests = {}  # noqa: RUF012 - as in the class above

        def answer(self, *_: object, **__: object) -> None:
            super().answer(status if self.path == "/v2/" else 500)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        place = f"127.0.0.1:{server.server_port}/door"
        assert run(monkeypatch, world, "doctor", "--offline", "--registry", place) == 0
        server.shutdown()
    assert f"{sign} registry" in capsys.readouterr().out
    assert run(monkeypatch, world, "doctor", "--offline", "--registry", "127.0.0.1:1/door") == 0
    assert "does not answer" in capsys.readouterr().out
    assert run(monkeypatch, world, "doctor", "--registry", "nonsense") == 2
