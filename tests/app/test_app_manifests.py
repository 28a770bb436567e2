"""What the manifests hand to server, worker and migration is what they understand: run with exactly that, over TLS."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from ostiary_delivery import definition
from ostiary_delivery.manifests import keys, overlay, values
from support.ports import free_port
from support.postgres import PostgresServer, make_server
from support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresServer]:
    """A PostgreSQL that speaks TLS and nothing else, and asks for a password."""
    server = make_server()
    folder = server.folder
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"), "-days", "2"]
    made += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(made, check=True, capture_output=True)
    owner = folder.stat()
    os.chown(folder / "key.pem", owner.st_uid, owner.st_gid)
    (folder / "key.pem").chmod(0o600)
    rules = "local all admin trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
    (folder / "data/pg_hba.conf").write_text(rules)
    server.stop()
    server.start(ssl="on", ssl_cert_file=str(folder / "cert.pem"), ssl_key_file=str(folder / "key.pem"))
    yield server
    server.remove()


class Cluster:
    """What a cluster would do with an overlay: values into variables, a ConfigMap into files, probes over HTTP."""

    def __init__(self, name: str, server: PostgresServer | None, folder: Path) -> None:
        self.objects = overlay.objects(overlay.find(ROOT, name))
        given = {"postgresql-host": "localhost", "postgresql-port": str(server.port)} if server else {}
        if server:
            given |= {"postgresql-name": f"house_{name}", "postgresql-user": f"house_{name}"}
        self.values = values.make(keys.required_secrets(self.objects), preset=given)
        if server:
            role, password = self.values["postgresql-user"], self.values["postgresql-password"]
            server.admin(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'", f"CREATE DATABASE {role} OWNER {role}")
        self.folder = folder
        self.authority = server.folder / "cert.pem" if server else None
        self.blueprints = folder / "blueprints"
        self.blueprints.mkdir()
        for name_, text in self.one("ConfigMap")["data"].items():
            (self.blueprints / name_).write_text(text)

    def one(self, kind: str, end: str = "") -> dict[str, Any]:
        (found,) = (o for o in self.objects if o["kind"] == kind and o["metadata"]["name"].endswith(end))
        return found

    def container(self, kind: str, end: str) -> dict[str, Any]:
        (found,) = self.one(kind, end)["spec"]["template"]["spec"]["containers"]
        answer: dict[str, Any] = found
        return answer

    def environment(self, container: Mapping[str, Any], *, ports: Mapping[int, int]) -> dict[str, str]:
        """The image's variables with this machine's folders and ports, and those of the manifest as they are."""
        declared = definition.read(ROOT, "ostiary").image.environment
        found = {name: value for name, value in declared.items() if name.startswith("OSTIARY_")}
        found |= {"PATH": os.environ["PATH"], "OSTIARY_DATA_DIR": str(self.folder / container["name"])}
        found["OSTIARY_BLUEPRINTS_DIR"] = str(self.blueprints)
        found |= {"OSTIARY_LISTEN__HTTP": f"127.0.0.1:{ports[9000]}", "OSTIARY_LISTEN__HTTPS": "off"}
        found["OSTIARY_LISTEN__METRICS"] = f"127.0.0.1:{ports[9300]}"
        for one in container["env"]:
            reference = one.get("valueFrom", {}).get("secretKeyRef")
            found[one["name"]] = self.values[reference["key"]] if reference else one["value"]
        if found.get("AUTHENTIK_POSTGRESQL__SSLMODE") == "verify-full":
            found["AUTHENTIK_POSTGRESQL__SSLROOTCERT"] = str(self.authority)  # a cluster's would be a public one
        return found

    @contextmanager
    def running(self, end: str) -> Iterator[dict[int, int]]:
        container = self.container("Deployment", end)
        ports = {9000: free_port(), 9300: free_port()}
        with (self.folder / f"{end}.log").open("wb") as log:
            command = [sys.executable, "-m", "ostiary", *container["args"]]
            process = subprocess.Popen(command, env=self.environment(container, ports=ports), stderr=log)
        try:
            for name in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = container[name]["httpGet"]
                url = f"http://127.0.0.1:{ports[asked['port']]}{asked['path']}"
                wait_until(partial(lambda where: status(where) == 200, url), process=process)
            yield ports
        finally:
            process.terminate()
            assert process.wait(60) == 0, (self.folder / f"{end}.log").read_text()

    def command(self, *words: str, end: str = "-worker") -> subprocess.CompletedProcess[str]:
        container = self.container("Deployment", end)
        environment = self.environment(container, ports={9000: free_port(), 9300: free_port()})
        line = [sys.executable, "-m", "ostiary", *words]
        return subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["generic", "homelab"])
def test_server_worker_and_migration_run_with_what_the_manifests_say(
    name: str, database: PostgresServer, tmp_path: Path
) -> None:
    cluster = Cluster(name, database, tmp_path)
    job = cluster.container("Job", "-migrate")
    environment = cluster.environment(job, ports={9000: 1, 9300: 1})
    line = [sys.executable, "-m", "ostiary", *job["args"]]
    ended = subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    with cluster.running("-server") as server, cluster.running("-worker") as worker:
        with urllib.request.urlopen(f"http://127.0.0.1:{worker[9300]}/metrics", timeout=20) as page:
            told = page.read().decode()
            assert "ostiary_build_info" in told
        if name == "generic":
            alerts_have_their_metrics(told, f"http://127.0.0.1:{server[9300]}/metrics")
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"http://127.0.0.1:{worker[9000]}/-/health/live/", timeout=20)
        blueprints = sorted(str(path) for path in cluster.blueprints.iterdir())
        wait_until(lambda: applied(cluster.command("blueprint", "check", *blueprints)))
        if name == "generic":
            token = cluster.values["bootstrap-token"]
            asked = urllib.request.Request(
                f"http://127.0.0.1:{server[9000]}/api/v3/core/users/me/", headers={"Authorization": f"Bearer {token}"}
            )
            with urllib.request.urlopen(asked, timeout=20) as page:
                assert b'"akadmin"' in page.read()
    assert "unknown" not in (tmp_path / "-server.log").read_text()
    shutil.rmtree(tmp_path)


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:  # 503 while it starts
        with refused:
            return refused.code


def alerts_have_their_metrics(worker: str, server: str) -> None:
    """Every series in the rules is told by server or worker; a misspelt one would never raise an alert."""
    with urllib.request.urlopen(server, timeout=20) as page:
        told = set(re.findall(r"^(?:# TYPE )?(\w+)", worker + page.read().decode(), re.MULTILINE))
    rules = yaml.safe_load((ROOT / "deploy/kustomize/components/prometheus-rules/prometheus-rules.yaml").read_text())
    named = {
        name
        for group in rules["spec"]["groups"]
        for rule in group["rules"]
        for name in re.findall(r"\b(?:ostiary|process)_\w+", rule["expr"])
    }
    assert len(named) > 5
    assert named <= told, named - told


@pytest.mark.timeout(120)
def test_the_variant_with_sqlite_runs_with_what_its_manifests_say(tmp_path: Path) -> None:
    cluster = Cluster("sqlite", None, tmp_path)
    with cluster.running("-server") as ports:
        blueprints = sorted(str(path) for path in cluster.blueprints.iterdir())
        wait_until(lambda: applied(cluster.command("blueprint", "check", *blueprints, end="-server")))
        token = cluster.values["bootstrap-token"]
        asked = urllib.request.Request(
            f"http://127.0.0.1:{ports[9000]}/api/v3/core/users/me/", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(asked, timeout=20) as page:
            assert b'"akadmin"' in page.read()
    assert (tmp_path / "server/ostiary.db").exists()
    assert not (tmp_path / "server/secret-key").exists()


def applied(ended: subprocess.CompletedProcess[str]) -> bool:
    assert ended.returncode == 0, ended.stderr
    return all("no changes" in line for line in ended.stdout.splitlines() if line.strip())
