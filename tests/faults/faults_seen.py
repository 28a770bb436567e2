"""A running server, and what an operator sees of it: its page of metrics, its log, and the table of the how-to."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from support.ports import free_port
from support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = ROOT / "docs/how-to/when-something-fails.md"
OSTIARY = Path(sys.executable).with_name("ostiary")
AWAY = "up"
"""What Prometheus itself counts: 0 while there is no page."""

_SAMPLE = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_SELECTOR = re.compile(r"`(\w+)(?:\{([^}]*)\})?`")
_WORDS = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Signs:
    """What a row of the table says of a fault: numbers that go up, and words of a line of the log."""

    numbers: Sequence[tuple[str, Mapping[str, str]]]
    words: Sequence[str]


def table() -> dict[str, Signs]:
    """Return the rows of the how-to by the name of the fault."""
    part = HOW_TO.read_text().partition("## What a fault looks like")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in part.splitlines() if line[:1] == "|"]
    return {
        row[0]: Signs([(name, dict(_LABEL.findall(labels))) for name, labels in _SELECTOR.findall(row[1])], _WORDS.findall(row[2]))
        for row in rows[2:]
    }  # fmt: skip


@dataclass
class Watched:
    """One process on ports of its own, with its data below `folder`."""

    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    wrapper: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    metrics: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    _scraper: HTTPConnection | None = None

    def start(self, *, wait: bool = True) -> Watched:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("OSTIARY_", "AUTHENTIK_"))}
        own = {
            "OSTIARY_DATA_DIR": str(self.folder / "data"),
            "OSTIARY_LISTEN__HTTP": f"127.0.0.1:{self.port}",
            "OSTIARY_LISTEN__HTTPS": "off",
            "OSTIARY_LISTEN__METRICS": f"127.0.0.1:{self.metrics}",
        }
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, str(OSTIARY), "serve"],
                env={**kept, **own, **self.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        if wait:
            self.wait_until_ready()
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def stop(self) -> None:
        if self._scraper is not None:
            self._scraper.close()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def ask(self, path: str, method: str = "GET", body: str = "", **headers: str) -> int | None:
        """Ask a page, None where nobody answers."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            return connection.getresponse().status
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()

    def wait_until_ready(self) -> None:
        wait_until(lambda: self.ask("/-/health/ready/") == 200, what=lambda: self.log()[-3000:], process=self.process)

    def scrape(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Read the page of metrics as Prometheus does: on a connection that stays open. Raises OSError."""
        if self._scraper is None:
            self._scraper = HTTPConnection("127.0.0.1", self.metrics, timeout=30)
        try:
            self._scraper.request("GET", "/metrics")
            text = self._scraper.getresponse().read().decode()
        except (OSError, HTTPException) as error:
            self._scraper.close()
            self._scraper = None
            raise ConnectionError(str(error)) from error
        return {
            (found["name"], frozenset(_LABEL.findall(found["labels"] or ""))): float(found["value"])
            for found in _SAMPLE.finditer(text)
        }

    def value(self, name: str, labels: Mapping[str, str]) -> float:
        """Return the sum of what has a name and labels; `up` as Prometheus has it."""
        try:
            page = self.scrape()
        except ConnectionError:
            return 0.0
        wanted = set(labels.items())
        return (
            1.0 if name == AWAY else sum(number for key, number in page.items() if key[0] == name and wanted <= key[1])
        )

    @contextlib.contextmanager
    def shows(self, fault: str, meanwhile: Callable[[], object] | None = None) -> Iterator[None]:
        """Provoke a fault inside: it is seen afterwards as its row in the table says. `meanwhile` is asked again and
        again, beside the page of readiness."""
        signs = table()[fault]
        assert signs.numbers or signs.words
        before = {(name, tuple(labels.items())): self.value(name, labels) for name, labels in signs.numbers}
        mark = len(self.log())
        yield
        missing: list[str] = []

        def seen() -> bool:
            self.ask("/-/health/ready/")
            if meanwhile is not None:
                meanwhile()
            log = self.log()[mark:]
            missing[:] = [words for words in signs.words if not matches(words, log)]
            for name, labels in signs.numbers:
                now, then = self.value(name, labels), before[name, tuple(labels.items())]
                if not (now == 0 if name == AWAY else now > then):
                    missing.append(f"{name} {dict(labels)}: {then} before, {now} now")
            return not missing

        wait_until(seen, what=lambda: f"{fault} is not seen: {missing}\n{self.log()[mark:][-3000:]}", pause=0.2)


def matches(words: str, log: str) -> bool:
    """Return whether words stand in one line of a log; "..." stands for any others."""
    return re.search(".*".join(re.escape(part) for part in words.split("...")), log) is not None
