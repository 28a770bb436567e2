"""A real nginx that runs the files of `deploy/host/nginx`, with other ports and folders and nothing else changed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx
from live import OPEN
from support.ports import free_port
from support.waiting import wait_until

ROOT = Path(__file__).parents[2]
HOST = ROOT / "deploy" / "host"
NAME = "id.example.org"
CLAIM = "X-Edge-Client"  # in which the test, as a trusted proxy before nginx, says for whom it asks


def nginx() -> str:
    path = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert path, "needs nginx: apt-get install nginx-light"
    return path


def replaced(text: str, changes: dict[str, str]) -> str:
    """Return the text with every change made; each must have something to change."""
    for old, new in changes.items():
        assert old in text, f"the configuration has no {old!r} any more"
        text = text.replace(old, new)
    return text


@dataclass
class Edge:
    """One nginx on free ports, everything of it below `folder`."""

    folder: Path
    upstream: int
    port: int = field(default_factory=free_port)
    plain: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    claims: int = 0

    @property
    def configuration(self) -> Path:
        return self.folder / "nginx.conf"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def environment(self) -> dict[str, str]:
        """What `edge-shutoff` and `edge-deny` have to know here."""
        return {
            "EDGE_STATE": str(self.state),
            "EDGE_NGINX": f"{nginx()} -c {self.configuration}",
            "EDGE_PID": str(self.folder / "nginx.pid"),
        }

    def write(self, *, real_ip: str = f"set_real_ip_from 127.0.0.1;\nreal_ip_header {CLAIM};\n") -> Edge:
        """Write the configuration and a certificate."""
        for name in ("snippets", "state", "logs", "temporary"):
            (self.folder / name).mkdir()
        for name in ("denied", "shutoff"):
            (self.state / f"{name}.conf").write_text("")
        self._certificate()
        places = {"/var/lib/ostiary-edge": str(self.state)}
        for path in (HOST / "nginx" / "snippets").glob("*.conf"):
            text = path.read_text()
            target = self.folder / "snippets" / path.name
            target.write_text(replaced(text, places) if "gate" in path.name else text)
        (self.folder / "snippets" / "ostiary-real-ip.conf").write_text(real_ip)
        lines = (HOST / "nginx" / "ostiary.conf").read_text().splitlines()
        text = "\n".join(line for line in lines if "listen [::]" not in line)
        changes = {
            **places,
            "127.0.0.1:9000": f"127.0.0.1:{self.upstream}",
            "listen 80": f"listen 127.0.0.1:{self.plain}",
            "listen 443": f"listen 127.0.0.1:{self.port}",
            f"/etc/letsencrypt/live/{NAME}": str(self.folder),
            "/var/log/nginx": str(self.folder / "logs"),
        }
        (self.folder / "ostiary.conf").write_text(replaced(text, changes))
        self.configuration.write_text(self._main())
        return self

    def _main(self) -> str:
        places = "".join(
            f"{kind}_temp_path {self.folder}/temporary/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;\n" if os.getuid() == 0 else ""
        logs = f"error_log {self.folder}/logs/error.log;\npid {self.folder}/nginx.pid;\n"
        return f"{user}{logs}worker_processes 2;\nevents {{}}\nhttp {{\n{places}include ostiary.conf;\n}}\n"

    def _certificate(self) -> None:
        names = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME},DNS:other.example.org"]
        files = ["-keyout", str(self.folder / "privkey.pem"), "-out", str(self.folder / "fullchain.pem")]
        kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        subprocess.run(["openssl", "req", *kind, *names, *files], check=True, capture_output=True)

    def test(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run([nginx(), "-t", "-c", str(self.configuration)], capture_output=True, text=True)

    def start(self) -> Edge:
        if not self.configuration.exists():
            self.write()
        command = [nginx(), "-c", str(self.configuration), "-g", "daemon off;"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        pid = self.folder / "nginx.pid"
        wait_until(lambda: pid.exists() and pid.read_text(), what=lambda: self.test().stderr, process=self.process)
        return self

    def stop(self) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def script(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of our scripts against this nginx."""
        command = [str(HOST / name), *arguments]
        return subprocess.run(command, env={**os.environ, **self.environment}, capture_output=True, text=True)

    def log(self) -> str:
        return (self.folder / "logs" / "ostiary.log").read_text()

    def address(self) -> str:
        """Return an address that no test has used."""
        self.claims += 1
        return f"203.0.113.{self.claims}"

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "fullchain.pem"))

    @contextlib.contextmanager
    def line(self, head: str, address: str) -> Iterator[ssl.SSLSocket]:
        """Open a connection and send the beginning of a request as it is written; give the connection."""
        lines = [head, f"Host: {NAME}", f"{CLAIM}: {address}", "", ""]
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=60) as plain,
            self.trust.wrap_socket(plain, server_hostname=NAME) as secure,
        ):
            secure.sendall("\r\n".join(lines).encode())
            yield secure

    def visitor(self, address: str | None = None) -> Visitor:
        """Return somebody with an address of their own."""
        made = httpx.Client(base_url=f"https://127.0.0.1:{self.port}", verify=self.trust, timeout=60)
        OPEN.append(made)
        return Visitor(made, address or self.address())


@dataclass
class Visitor:
    """Somebody who asks the edge, under the name that the edge serves."""

    client: httpx.Client
    address: str
    host: str = NAME
    sni: str = NAME

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Host": self.host, CLAIM: self.address, **dict(options.pop("headers", {}))}
        request = self.client.build_request(
            method, path, headers=headers, extensions={"sni_hostname": self.sni}, **options
        )
        try:
            return self.client.send(request)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            return self.client.send(request)  # a reload closed the connection: browsers ask once more, too

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("GET", path, **options)
