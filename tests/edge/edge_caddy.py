"""A real Caddy that runs `deploy/host/Caddyfile`, with another port and a certificate of the test."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx
from edge_nginx import HOST, NAME, Edge, replaced
from live import free_port

CADDY = Path(sys.executable).with_name("caddy")


@dataclass
class Caddy:
    """One Caddy; certificate and visitors are the edge's, which need not run."""

    edge: Edge
    plain: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self.edge.folder), "XDG_DATA_HOME": str(self.edge.folder / "caddy")}

    def start(self) -> Caddy:
        folder = self.edge.folder
        text = replaced(
            (HOST / "Caddyfile").read_text(),
            {
                "{\n\tservers {": f"{{\n\tadmin off\n\thttp_port {self.plain}\n\thttps_port {self.edge.port}\n\tservers {{",
                f"\n\n{NAME} {{": f"\n\n{NAME} {{\n\ttls {folder}/fullchain.pem {folder}/privkey.pem",
                "127.0.0.1:9000": f"127.0.0.1:{self.edge.upstream}",
            },
        )
        (folder / "Caddyfile").write_text(text)
        command = [str(CADDY), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
        with (folder / "caddy.log").open("wb") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 20
        while True:
            try:
                self.edge.visitor().get("/robots.txt")
            except httpx.ConnectError:
                assert self.process.poll() is None, (folder / "caddy.log").read_text()
                assert time.monotonic() < deadline, (folder / "caddy.log").read_text()
                time.sleep(0.1)
            else:
                return self

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(20)
