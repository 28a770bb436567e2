"""Relying parties as processes: libraries that take commands, and sites that people visit."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx2 as httpx
from party_node import environment
from support.ports import free_port
from support.waiting import wait_until

_SECONDS = 30


class Refused(Exception):
    """What the library threw, as the developer of an application sees it."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        super().__init__(json.dumps(told))
        self.told = told

    @property
    def error(self) -> str | None:
        """The OAuth error code, when there is one."""
        return self.told.get("error")

    @property
    def description(self) -> str:
        return self.told.get("description") or ""


@dataclass
class Library:
    """A program that answers one line of JSON for each line it gets."""

    command: Sequence[str]
    settings: Mapping[str, str]
    process: subprocess.Popen[str] | None = None
    answers: queue.Queue[str] = field(default_factory=queue.Queue)
    faults: list[str] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> Library:
        self.process = subprocess.Popen(
            list(self.command),
            env={**environment(), **self.settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._listen(self.process.stdout, self.answers.put)
        self._listen(self.process.stderr, self.faults.append)
        return self

    def _listen(self, stream: IO[str], keep: Any) -> None:
        def run() -> None:
            with stream:
                for line in stream:
                    keep(line)
            keep("")

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.threads.append(thread)

    def do(self, command: str, **wanted: Any) -> dict[str, Any]:
        """Have the library do something. Raises Refused with what it threw."""
        assert self.process is not None
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"command": command, **wanted}) + "\n")
            self.process.stdin.flush()
            line = self.answers.get(timeout=_SECONDS)
        except (queue.Empty, BrokenPipeError):
            line = ""
        if not line:
            raise AssertionError(f"{command}: no answer; the program said: {''.join(self.faults)}")
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"])
        decoded: dict[str, Any] = answer["result"]
        return decoded

    def refused(self, command: str, **wanted: Any) -> Refused:
        """Have the library do something that it must not manage; return what it threw."""
        try:
            answer = self.do(command, **wanted)
        except Refused as refusal:
            return refusal
        raise AssertionError(f"{command} was allowed: {answer}")

    def stop(self) -> None:
        if self.process is None:
            return
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        _end(self.process)
        for thread in self.threads:
            thread.join(10)


@dataclass
class Site:
    """A web site that signs people in."""

    command: Sequence[str]
    settings: Mapping[str, str]
    folder: Path
    port: int = field(default_factory=free_port)
    callback: str = "/callback"
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def redirect_uri(self) -> str:
        return self.url + self.callback

    def start(self) -> Site:
        settings = {**environment(), "PORT": str(self.port), "REDIRECT_URI": self.redirect_uri, **self.settings}
        with (self.folder / "site.log").open("ab") as log:
            self.process = subprocess.Popen(
                list(self.command), env=settings, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )
        try:
            wait_until(
                lambda: httpx.get(f"{self.url}/", timeout=5).status_code, what=self._unready, process=self.process
            )
        except AssertionError:
            self.stop()
            raise
        return self

    def _unready(self) -> str:
        return "the site did not start:\n" + self.log()

    def log(self) -> str:
        return (self.folder / "site.log").read_text(errors="replace")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            _end(self.process)


def _end(process: subprocess.Popen[Any]) -> None:
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
