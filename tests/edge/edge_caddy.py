"""A real Caddy that runs `deploy/host/Caddyfile`, with another port and a certificate of the test."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from edge_nginx import HOST, NAME, Edge, replaced
from support.ports import free_port
from support.waiting import wait_until

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
        said = (folder / "caddy.log").read_text
        wait_until(lambda: self.edge.visitor().get("/robots.txt").status_code, what=said, process=self.process)
        return self

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(60)
