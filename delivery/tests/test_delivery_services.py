"""What runs, compared with what is declared: small servers on the loopback, and manifests."""

from __future__ import annotations

import base64
import datetime as dt
import json
import socketserver
import ssl
import tomllib
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import ClassVar

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from ostiary_delivery import oci
from ostiary_delivery.cli import app
from ostiary_delivery.errors import BadDefinition
from ostiary_delivery.running import finding, manifest, probe
from ostiary_delivery.running.finding import Finding
from typer.testing import CliRunner, Result

ROOT = Path(__file__).resolve().parents[2]
NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
DIGEST = "sha256:" + "1" * 64


def certificate(*, days: int, name: str = "localhost", now: dt.datetime = NOW) -> tuple[bytes, bytes]:
    """A certificate 10 days old that ends in so many days (PEM), and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 7)
        .not_valid_before(now - dt.timedelta(days=10))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM), private


def key_set() -> bytes:
    der = x509.load_pem_x509_certificate(certificate(days=400)[0]).public_bytes(serialization.Encoding.DER)
    return json.dumps({"keys": [{"kid": "old", "x5c": [base64.b64encode(der).decode()]}, {"kid": "bare"}]}).encode()


class Web(BaseHTTPRequestHandler):
    pages: ClassVar = {
        "/-/health/live/": (200, b""),
        "/-/health/ready/": (503, b""),
        "/metrics": (200, b'# HELP\npython_info{version="3.11.7"} 1.0\nostiary_build_info{version="1.2.0"} 1.0\n'),
        "/keys/": (200, key_set()),
    }

    def do_GET(self) -> None:
        status, body = self.pages.get(self.path, (404, b""))
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Valkey(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        words: list[bytes] = []
        while words[-1:] != [b"QUIT"]:
            count = int(self.rfile.readline()[1:])
            words = []
            for _ in range(count):
                words.append(self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2])
            info = b"redis_version:7.2.4\r\nvalkey_version:8.1.1\r\nloading:0\r\n"
            answers = {b"PING": b"+PONG\r\n", b"INFO": b"$%d\r\n%s\r\n" % (len(info), info)}
            self.wfile.write(answers.get(words[0], b"+OK\r\n"))


@pytest.fixture
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def told(found: Iterable[Finding]) -> list[tuple[str, str, bool | None]]:
    return [(one.service, one.check, one.passed) for one in found]


def test_a_server_is_asked(web: str) -> None:
    assert told(probe.server(web + "/", now=NOW)) == [("server", "live", True), ("server", "ready", False)]
    assert told(probe.metrics("worker", web, version="1.2.0")) == [
        ("worker", "metrics", True),
        ("worker", "version", True),
        ("worker", "digest", None),
    ]
    assert told(probe.metrics("worker", web, version="1.3.0"))[1][2] is False
    assert told(probe.metrics("worker", web + "/none", version="1.3.0"))[1][2] is None
    asked = told(probe.worker(web + "/metrics", version="1.2.0"))
    assert asked[:3] == [("worker", "live", True), ("worker", "ready", False), ("worker", "metrics", True)]
    found = list(probe.keys(web + "/keys/", now=NOW))
    assert told(found) == [("server", "key old", True), ("server", "key bare", None)]
    assert found[0].detail == "10 days old, ends in 400 days"
    assert told(probe.keys(web + "/none", now=NOW)) == [("server", "keys", False)]


@pytest.mark.parametrize(("declared", "good"), [(DIGEST, True), ("sha256:2", False), (None, None)])
def test_a_digest_that_metrics_tell_is_compared(
    web: str, monkeypatch: pytest.MonkeyPatch, declared: str | None, good: bool | None
) -> None:
    page = f'ostiary_build_info{{digest="{DIGEST}",version="1.2.0"}} 1.0\n'.encode()
    monkeypatch.setitem(Web.pages, "/metrics", (200, page))
    found = told(probe.metrics("server", web, version="1.2.0", digest=declared))
    assert found[1:] == [("server", "version", True), ("server", "digest", good)]


def test_the_declared_digest_is_the_built_one_or_the_pinned_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pin(overlay: str, digest: str) -> None:
        (tmp_path / "deploy" / overlay).mkdir(parents=True, exist_ok=True)
        images = [
            {"name": "x/other", "digest": "sha256:3"},
            {"name": "reg/door", "newName": "here/door", "digest": digest},
        ]
        (tmp_path / "deploy" / overlay / "kustomization.yaml").write_text(yaml.safe_dump({"images": images}))

    images = tmp_path / "images"
    assert finding.declared_digest(tmp_path, images, "door") is None
    pin("one", DIGEST)
    assert finding.declared_digest(tmp_path, images, "door") == DIGEST
    pin("two", "sha256:2")
    assert finding.declared_digest(tmp_path, images, "door") is None
    (images / "door").mkdir(parents=True)
    (images / "door/index.json").write_text("{}")
    built = SimpleNamespace(image=SimpleNamespace(digest="sha256:4"))
    monkeypatch.setattr(oci, "open_layout", lambda _: built)
    assert finding.declared_digest(tmp_path, images, "door") == "sha256:4"


def test_authorities_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(certificate(days=30)[0])
    assert probe.load_trust(None).name is None
    context = probe.load_trust(tmp_path / "ca.pem").context
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    (tmp_path / "bad.pem").write_text("nothing")
    for name in ("bad.pem", "none.pem"):
        with pytest.raises(BadDefinition, match="expected certificates in PEM"):
            probe.load_trust(tmp_path / name)


def test_a_certificate_for_another_name_is_believed_when_the_name_is_given(tmp_path: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    shown, private = certificate(days=400, name="door.internal", now=now)
    (tmp_path / "both.pem").write_bytes(shown + private)
    (tmp_path / "ca.pem").write_bytes(shown)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    with ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"https://localhost:{server.server_port}"

        def ask(name: str | None) -> list[bool | None]:
            trust = probe.load_trust(tmp_path / "ca.pem", name=name)
            return [
                one.passed
                for one in (*probe.server(url, now=now, trust=trust), *probe.keys(url + "/keys/", now=NOW, trust=trust))
            ]

        believed, doubted = ask("door.internal"), ask(None)
        server.shutdown()
    assert believed == [True, False, True, True, None]
    assert doubted == [False, False, False, False]


@pytest.mark.parametrize(("days", "good"), [(30, True), (3, False)])
def test_a_certificate_is_aged(tmp_path: Path, days: int, good: bool) -> None:
    shown, private = certificate(days=days)
    (tmp_path / "both.pem").write_bytes(shown + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the test's time is not the machine's
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    with ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"https://localhost:{server.server_port}"
        found = list(probe.server(url, now=NOW, trust=probe.Trust(trust)))
        untrusted = list(probe.server(url, now=NOW))
        server.shutdown()
    assert told(found)[0] == ("server", "live", True)
    assert told(found)[-1] == ("server", "certificate", good)
    assert found[-1].detail == f"10 days old, ends in {days} days"
    assert [one.passed for one in untrusted] == [False, False, False]


def test_valkey_is_asked() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Valkey) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        found = list(
            probe.valkey(f"127.0.0.1:{server.server_address[1]}", service="valkey", password='a"ö', version="8.1.1")
        )
        server.shutdown()
    assert told(found) == [
        ("valkey", "live", True),
        ("valkey", "ready", True),
        ("valkey", "version", True),
        ("valkey", "digest", None),
    ]
    assert told(probe.valkey("127.0.0.1:1", service="valkey", password=None, version=None)) == [
        ("valkey", "live", False)
    ]


@pytest.mark.parametrize("url", ["ftp://a", "http://", "http://[", "http://a:port"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(BadDefinition):
        list(probe.server(url, now=NOW))


def deployment(image: str, *, probes: bool = True) -> dict[str, object]:
    container: dict[str, object] = {"name": "x", "image": image}
    if probes:
        container |= {"livenessProbe": {}, "readinessProbe": {}}
    return {
        "kind": "Deployment",
        "metadata": {"name": "door"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }


@pytest.mark.parametrize(
    ("image", "version", "digest"),
    [
        (f"reg:5000/x/door:v1.2.0-0123456@{DIGEST}", True, None),
        ("reg:5000/x/door:v1.1.0-0123456", False, None),
        ("reg:5000/x/door:latest", False, None),
        ("reg:5000/x/door", False, None),
        (f"door@{DIGEST}", None, None),
        ("reg/x/other:3", None, None),
    ],
)
def test_a_manifest_is_looked_at(tmp_path: Path, image: str, version: bool | None, digest: bool | None) -> None:
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all([deployment(image), {"kind": "Service"}]))
    found = told(manifest.inspect(tmp_path / "all.yaml", versions={"door": "1.2.0"}, images=tmp_path))
    assert found == [
        ("door", "version", version),
        ("door", "digest", digest),
        ("door", "live", True),
        ("door", "ready", True),
    ]


def test_a_folder_is_looked_at_with_its_kustomization(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(deployment("reg/door:kustomized", probes=False)))
    images = [{"name": "reg/door", "newTag": "v1.2.0-0123456", "digest": DIGEST}]
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({"images": images}))
    (tmp_path / "door").mkdir()
    (tmp_path / "door/index.json").write_text("{}")

    image = SimpleNamespace(digest=DIGEST)
    monkeypatch.setattr(oci, "open_layout", lambda _: SimpleNamespace(image=image))
    found = told(manifest.inspect(tmp_path, versions={"door": "1.2.0"}, images=tmp_path))
    assert [good for *_, good in found] == [True, True, False, False]
    image.digest = "sha256:2"
    assert told(manifest.inspect(tmp_path, versions={"door": "1.2.0"}, images=tmp_path))[1][2] is False
    (tmp_path / "a.yaml").write_text("kind: Service\n")
    with pytest.raises(BadDefinition, match="runs nothing"):
        list(manifest.inspect(tmp_path, versions={}, images=tmp_path))


def test_tasks_of_mise_are_commands_that_exist() -> None:
    tasks = tomllib.loads((ROOT / "mise.toml").read_text())["tasks"]
    assert set(tasks) == {
        "docs-mikado",
        "container-build-and-release",
        "container-version-check",
        "container-list",
        "services-check",
    }
    for task in tasks.values():
        program, *words = task["run"].split()
        assert program == ".venv/bin/ostiary-delivery"
        assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0


def test_the_commands_answer(tmp_path: Path, web: str) -> None:
    cards = tmp_path / "docs/how-to"
    cards.mkdir(parents=True)
    (tmp_path / "README.md").write_text("[[a]]\n")
    (cards / "a.md").write_text(
        "---\ntitle: a\nmodified: 2026-01-31\nrequires: []\nstatus: active\ntags: []\n---\n# a\n"
    )

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, [*words, "-C", str(tmp_path)])

    assert run("mikado").stdout == "● a - a [ready]\nready: a\n"
    assert run("mikado", "a", "--format", "mermaid").stdout.startswith("graph TD\n")
    assert run("mikado", "--output", str(tmp_path / "a.svg")).exit_code == 0
    assert (tmp_path / "a.svg").read_text().startswith("<svg ")
    assert run("docs", "check").stdout == "all pages are in order\n"
    answered = run("services-check", web, "--metrics", web)
    assert answered.exit_code == 1
    assert [line.split()[0] for line in answered.stdout.splitlines()] == ["good", "BAD", "good", "?", "?"]
    (cards / "a.md").write_text((cards / "a.md").read_text().replace("[]\nstatus", "[gone]\nstatus"))
    assert "no such card" in run("mikado").stdout
    assert run("mikado").exit_code == 1


def test_a_release_builds_checks_pushes_and_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    done = []
    for name in ("build", "check", "push", "sign"):
        monkeypatch.setattr(f"ostiary_delivery.cli.{name}", lambda *words, name=name, **_: done.append((name, *words)))
    assert CliRunner().invoke(app, ["release", "door", "reg.example/door", "--key", "k"]).exit_code == 0
    where = ("door", "reg.example/door")
    assert done == [("build", ["door"]), ("check",), ("push", *where), ("sign", *where)]
    done.clear()
    assert CliRunner().invoke(app, ["release", *where]).exit_code == 0
    assert [name for name, *_ in done] == ["build", "check", "push"]
