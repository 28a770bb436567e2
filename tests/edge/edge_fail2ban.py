"""A real fail2ban with the files of `deploy/host/fail2ban`, on a socket of its own, and its tool that tries filters."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from edge_nginx import HOST
from support.waiting import wait_until

DEBIAN = Path("/etc/fail2ban")


def matched(log: Path, name: str) -> Counter[str]:
    """Return how many lines of a log our filter counts against which address, as fail2ban-regex sees it."""
    program = shutil.which("fail2ban-regex")
    assert program, "needs fail2ban: apt-get install fail2ban"
    filtering = HOST / "fail2ban" / "filter.d" / f"{name}.conf"
    done = subprocess.run([program, "-o", "<ip>", str(log), str(filtering)], capture_output=True, text=True, timeout=60)
    assert done.returncode in {0, 255}, done.stderr  # 255: nothing matched
    assert "Traceback" not in done.stderr
    return Counter(line for line in done.stdout.splitlines() if line)


@dataclass
class Fail2ban:
    """One fail2ban-server with everything of it below `folder`."""

    folder: Path
    log: Path
    environ: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def write(self) -> None:
        """Put Debian's defaults and our files together; only places are other than on a machine."""
        here = self.folder / "etc"
        for name in ("filter.d", "action.d", "jail.d"):
            shutil.copytree(HOST / "fail2ban" / name, here / name)
        for path in [*DEBIAN.glob("paths-*.conf"), DEBIAN / "fail2ban.conf", DEBIAN / "jail.conf"]:
            shutil.copy(path, here / path.name)
        (here / "fail2ban.local").write_text(f"[DEFAULT]\nlogtarget = {self.folder}/fail2ban.log\ndbfile = None\n")
        (here / "jail.d" / "places.local").write_text(
            f'[ostiary]\nbackend = polling\nlogpath = {self.log}\naction = ostiary-edge[deny="{HOST}/edge-deny"]\n'
        )

    def start(self) -> Fail2ban:
        self.write()
        program = shutil.which("fail2ban-server")
        assert program, "needs fail2ban: apt-get install fail2ban"
        with (self.folder / "out").open("wb") as out:
            self.process = subprocess.Popen(
                [program, *self._places(), "-x", "-f", "start"],
                env={**os.environ, **self.environ},
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        wait_until(lambda: "ostiary" in self.ask("status").stdout, what=self.told, process=self.process)
        return self

    def stop(self) -> None:
        assert self.process is not None
        self.ask("stop")
        self.process.wait(60)

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = ["fail2ban-client", *self._places(), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def told(self) -> str:
        return "".join(
            path.read_text() for path in (self.folder / "out", self.folder / "fail2ban.log") if path.exists()
        )

    def _places(self) -> list[str]:
        return ["-c", str(self.folder / "etc"), "-s", str(self.folder / "socket"), "-p", str(self.folder / "pid")]
