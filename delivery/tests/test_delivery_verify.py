"""Verifying: an image is rebuilt and compared; each promise broken alone is named, and ends with exit code 1."""

from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from delivery_world import World
from ostiary_delivery import cli, lockfile, oci
from ostiary_delivery.layer import digest_of
from ostiary_delivery.registry import Place, Registry
from ostiary_delivery.sign import KIND, Signer, attestations, signature
from small_archive import write
from test_delivery_push import Small

TAG = "v1.2.0-0123456"
ROWS = ["tag", "bytes", "versions", "lock", "contents", "rebuild", "signature", "bill", "provenance"]


class Giving(Small):
    """The small registry of the other tests, which gives blobs back too."""

    def do_GET(self) -> None:  # noqa: N802 - as the standard library calls it
        kept = self.blobs if "/blobs/" in self.path else self.manifests
        found = kept.get(self.path.rpartition("/")[2])
        self.answer(404 if found is None else 200, found or b"")


@pytest.fixture
def place() -> Iterator[str]:
    Small.blobs, Small.manifests = {}, {}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Giving)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}/house/door"
    server.shutdown()
    server.server_close()


@pytest.fixture
def pushed(
    world: World, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> World:
    """A world whose image was built, pushed and signed."""
    monkeypatch.setenv("DELIVERY_CACHE", str(world.settings.cache))
    assert run(monkeypatch, world, "build", "--quiet") == 0
    assert run(monkeypatch, world, "push", "door", place, "--quiet", "--tag", TAG) == 0
    layout = oci.open_layout(world.repository / "dist/images/door")
    Small.manifests[layout.image.digest] = layout.image.manifest
    for name in ("key", "other"):
        assert run(monkeypatch, world, "new-key", str(tmp_path / f"{name}.pem")) == 0
    assert run(monkeypatch, world, "sign", "door", place, "--key", str(tmp_path / "key.pem")) == 0
    capsys.readouterr()
    return world


def run(monkeypatch: pytest.MonkeyPatch, world: World, *words: str) -> int:
    monkeypatch.chdir(world.repository)
    monkeypatch.setenv("DELIVERY_ARCHIVE", world.settings.archive)
    monkeypatch.setattr("sys.argv", ["ostiary-delivery", *words])
    return cli.main()


def rows(text: str) -> dict[str, str]:
    found = [line.split(None, 2) for line in text.splitlines() if line.split()[0] in {"holds", "BROKEN", "?"}]
    return {what: sign for sign, what, _ in found}


def verify(monkeypatch: pytest.MonkeyPatch, world: World, image: str, key: Path | None, *more: str) -> int:
    words = ["--key", str(key)] if key else []
    return run(monkeypatch, world, "verify", image, "--quiet", *words, *more)


def test_everything_holds(
    pushed: World, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert verify(monkeypatch, pushed, f"{place}:{TAG}", tmp_path / "key.pub") == 0
    shown = capsys.readouterr().out
    assert rows(shown) == dict.fromkeys(ROWS, "holds")
    digest = shown.split()[-1]
    assert verify(monkeypatch, pushed, f"{place}:{TAG}@{digest}", tmp_path / "key.pub", "--quick") == 0
    assert verify(monkeypatch, pushed, f"{place}@{digest}", None) == 0
    unasked = rows(capsys.readouterr().out.split("is sha256:")[-2])
    assert [what for what, sign in unasked.items() if sign == "?"] == ["tag", "signature", "bill", "provenance"]


def test_a_folder_has_no_signature_and_is_rebuilt_all_the_same(
    pushed: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(monkeypatch, pushed, "door", None) == 0
    found = rows(capsys.readouterr().out)
    assert found["rebuild"] == "holds"
    assert [what for what, sign in found.items() if sign == "?"] == ["tag", "signature", "bill", "provenance"]


def test_layers_are_made_anew_and_not_taken_from_the_cache(
    pushed: World, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cache that lies about what a layer is built to deceives a quick look, and no other."""
    assert run(monkeypatch, pushed, "build", "--quiet") == 0
    (pushed.repository / "door/__init__.py").write_text("def main():\n    return 1\n")
    layers = pushed.settings.cache / "layers"
    kept = {path: path.read_bytes() for path in layers.iterdir()}
    assert run(monkeypatch, pushed, "build", "--quiet") == 0
    (new,) = (path for path in layers.iterdir() if path not in kept)
    old = [data for data in kept.values() if b'"wheel door' in data or b"door 1.2.0" in data]
    new.write_bytes(old[0])
    assert verify(monkeypatch, pushed, f"{place}:{TAG}", None, "--quick") == 0
    assert verify(monkeypatch, pushed, f"{place}:{TAG}", None) == 1
    assert "ostiary-delivery: rebuild: not as promised" in capsys.readouterr().err


def test_another_source_gives_another_digest_and_the_layer_is_named(
    pushed: World, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (pushed.repository / "door/__init__.py").write_text("def main():\n    return 1\n")
    assert verify(monkeypatch, pushed, f"{place}:{TAG}", tmp_path / "key.pub") == 1
    shown = capsys.readouterr()
    found = rows(shown.out)
    assert found["rebuild"] == "BROKEN"
    assert found["signature"] == "holds"
    assert "other layers: " in shown.out
    assert "door 1.2.0" in shown.out
    assert "rebuild" in shown.err


def test_the_wrong_key_and_no_signature(
    pushed: World, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert verify(monkeypatch, pushed, f"{place}:{TAG}", tmp_path / "other.pub", "--quick") == 1
    shown = capsys.readouterr()
    assert shown.err == "ostiary-delivery: signature, bill, provenance: not as promised\n"
    assert "no signature is of this key and for this image" in shown.out
    for name in [one for one in Small.manifests if one.endswith((".sig", ".att"))]:
        del Small.manifests[name]
    assert verify(monkeypatch, pushed, f"{place}:{TAG}", tmp_path / "key.pub", "--quick") == 1
    assert "there is no signature" in capsys.readouterr().out


def test_a_signature_for_another_image_or_place_is_none(
    pushed: World, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    digest = Registry(Place.parse(place)).digest(TAG) or ""
    signer = Signer.load(tmp_path / "key.pem", password=None)
    for of, where, said in (
        ("sha256:" + "1" * 64, place, "no signature is of this key and for this image"),
        (digest, "registry.example/house/gate", "the signature is for registry.example/house/gate, and this is 127"),
    ):
        made = signature(of, place=where, signer=signer)
        Small.blobs.update(made.blobs)
        Small.manifests[f"{digest.replace(':', '-')}.sig"] = made.manifest
        assert verify(monkeypatch, pushed, f"{place}:{TAG}", tmp_path / "key.pub", "--quick") == 1
        shown = capsys.readouterr()
        assert shown.err == "ostiary-delivery: signature: not as promised\n"
        assert said in shown.out


def test_a_bill_and_a_provenance_that_say_something_else(
    pushed: World, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    digest = Registry(Place.parse(place)).digest(TAG) or ""
    name = f"{digest.replace(':', '-')}.att"
    signer = Signer.load(tmp_path / "key.pem", password=None)
    envelopes = [json.loads(Small.blobs[one["digest"]]) for one in json.loads(Small.manifests[name])["layers"]]
    good = [json.loads(base64.b64decode(one["payload"])) for one in envelopes]
    changes: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
        ("bill", lambda one: one["predicate"]["components"].pop()),
        ("bill", lambda one: one["subject"][0]["digest"].update(sha256="1" * 64)),
        ("provenance", lambda one: one["predicate"]["buildDefinition"]["internalParameters"].update(lock="0" * 64)),
        ("provenance", lambda one: one.update(_type="something")),
    ]
    for broken, change in changes:
        told = dict(
            zip(("bill", "provenance"), json.loads(json.dumps(sorted(good, key=lambda one: one[KIND]))), strict=True)
        )
        change(told[broken])
        made = attestations(digest, [json.dumps(one).encode() for one in told.values()], signer=signer)
        Small.blobs.update(made.blobs)
        Small.manifests[name] = made.manifest
        assert verify(monkeypatch, pushed, f"{place}:{TAG}", tmp_path / "key.pub", "--quick") == 1
        assert capsys.readouterr().err == f"ostiary-delivery: {broken}: not as promised\n"


def test_an_envelope_whose_words_were_changed_says_nothing(
    pushed: World, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    digest = Registry(Place.parse(place)).digest(TAG) or ""
    name = f"{digest.replace(':', '-')}.att"
    manifest = json.loads(Small.manifests[name])
    for layer in manifest["layers"]:
        envelope = json.loads(Small.blobs[layer["digest"]])
        words = base64.b64decode(envelope["payload"]).replace(b'"1.2.0"', b'"1.2.1"')
        data = json.dumps({**envelope, "payload": base64.b64encode(words).decode()}).encode()
        layer["digest"] = digest_of(data)
        Small.blobs[digest_of(data)] = data
    Small.manifests[name] = json.dumps(manifest).encode()
    assert verify(monkeypatch, pushed, f"{place}:{TAG}", tmp_path / "key.pub", "--quick") == 1
    assert capsys.readouterr().err == "ostiary-delivery: bill, provenance: not as promised\n"


def test_a_registry_that_lies(
    pushed: World, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = Registry(Place.parse(place)).digest(TAG) or ""
    layer = json.loads(Small.manifests[TAG])["layers"][-1]["digest"]
    good, Small.blobs[layer] = Small.blobs[layer], b"something else"
    assert verify(monkeypatch, pushed, f"{place}:{TAG}", None, "--quick") == 1
    shown = capsys.readouterr()
    assert rows(shown.out)["bytes"] == "BROKEN"
    assert f"{layer} has other bytes" in shown.out
    Small.blobs[layer] = good
    Small.manifests[digest] = b"{}"
    assert verify(monkeypatch, pushed, f"{place}@{digest}", None) == 5
    assert f"the registry calls {digest} {digest}" in capsys.readouterr().err


def test_a_version_that_is_not_declared_any_more(
    pushed: World, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pushed.change('version = "1.2.0"', 'version = "1.3.0"')
    assert verify(monkeypatch, pushed, f"{place}:{TAG}", None, "--quick") == 1
    found = rows(capsys.readouterr().out)
    assert [what for what, sign in found.items() if sign == "BROKEN"] == ["tag", "versions", "lock", "rebuild"]


def test_packages_that_are_not_those_of_the_lock(
    pushed: World, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = pushed.container.folder / lockfile.FILE
    write(path, path.read_text().replace('"2.41-12"', '"2.42-1"'))
    assert verify(monkeypatch, pushed, f"{place}:{TAG}", None, "--quick") != 0
    shown = capsys.readouterr().out
    assert "deb libc 2.42-1 is locked and not in the image; deb libc 2.41-12 is in the image and not locked" in shown


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        (":latest", 2, "which image is that? Name its tag or its digest"),
        ("", 2, "which image is that? Name its tag or its digest"),
        (":v1.2.0-9999999", 1, "the registry has no 127"),
        (":v1.2.0-9999999@", 1, "v1.2.0-9999999 names nothing there, and not sha256:"),
    ],
)
def test_what_names_no_image(  # noqa: PLR0917 - fixtures and parameters
    pushed: World,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    end: str,
    code: int,
    said: str,
) -> None:
    digest = Registry(Place.parse(place)).digest(TAG) or ""
    assert verify(monkeypatch, pushed, f"{place}{end}{digest if end.endswith('@') else ''}", None) == code
    assert said in capsys.readouterr().err


def test_what_is_no_key_and_no_container(
    pushed: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert verify(monkeypatch, pushed, "gate", None) == 2
    assert "gate is neither a place in a registry nor a container; known: door" in capsys.readouterr().err
    (tmp_path / "none.pub").write_text("none")
    assert verify(monkeypatch, pushed, "door", tmp_path / "none.pub") == 2
    assert "cannot be used as a public key" in capsys.readouterr().err
