"""What is measured: each operation as a job of the load, for any target."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

from message import basic, form
from servers import LOAD_CORE
from target import CALLBACK, PEOPLE, SECRET, Target, get

CONNECTIONS: Final = 32
PERSONS: Final = 8  # who sign in at the same time
TITLES: Final = {
    "rs256": "client_credentials, RS256",
    "es256": "client_credentials, ES256",
    "opaque": "client_credentials, opaque",
    "code": "code exchange",
    "refresh": "refresh, rotating",
    "userinfo": "userinfo",
    "introspect": "introspection",
    "discovery": "discovery",
    "authorize": "authorize, signed in",
    "login": "whole sign-in, without the hash",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One slice: requests answered, seconds, CPU seconds of the server and of its database."""

    count: int
    seconds: float
    cpu: float
    beside: float

    @property
    def cost(self) -> float:
        """CPU microseconds of the server for one."""
        return self.cpu / self.count * 1e6

    @property
    def cost_beside(self) -> float:
        """CPU microseconds of the database for one."""
        return self.beside / self.count * 1e6

    @property
    def rate(self) -> float:
        """How many in a second."""
        return self.count / self.seconds


class Load:
    """The process that makes the load."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["taskset", "-c", str(LOAD_CORE), sys.executable, str(Path(__file__).with_name("load.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def run(self, target: Target, job: dict[str, Any]) -> tuple[Sample, dict[str, Any]]:
        """Do one job and measure the server meanwhile."""
        self._tell(json.dumps({"port": target.port, "connections": CONNECTIONS, **job}))
        ready = self._told(target, job)
        if not ready.get("ready"):
            raise RuntimeError(f"{target.name}: {ready}")
        before = target.cpu()
        self._tell("go")
        result = self._told(target, job)
        after = target.cpu()
        sample = Sample(result["count"], result["seconds"], after[0] - before[0], after[1] - before[1])
        return sample, result

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _told(self, target: Target, job: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        result: dict[str, Any] = json.loads(line) if line else {"error": "the load process ended"}
        if "error" in result:
            raise RuntimeError(f"{target.name}, {job['kind']}: {result['error']}")
        return result


def measure(name: str, target: Target, load: Load, *, seconds: float) -> Sample:
    """Measure one operation once."""
    if name == "refresh":
        sample, result = load.run(target, _refresh(target, seconds))
        target.refresh[:CONNECTIONS] = result["tokens"]
        return sample
    if name == "code":
        _gather(target, load, seconds)
    made, headers = _JOBS[name](target), {"seconds": seconds}
    sample, result = load.run(target, {**made, **headers})
    if name == "authorize":
        _keep_codes(target, result)
    return sample


def _gather(target: Target, load: Load, seconds: float) -> None:
    """Have codes at hand for one slice."""
    while len(target.codes) < 300:  # noqa: PLR2004 - some tenths of a second
        _, result = load.run(target, {**_authorize(target), "seconds": min(seconds, 0.5)})
        _keep_codes(target, result)
        if not target.codes:
            raise RuntimeError(f"{target.name} gives no codes: {result['seen'][:1]}")


def _keep_codes(target: Target, result: dict[str, Any]) -> None:
    found = (parse_qs(urlsplit(location).query).get("code") for location in result["seen"])
    target.codes.extend(one[0] for one in found if one)


def _client_credentials(client: str, target: Target) -> dict[str, Any]:
    values = {"grant_type": "client_credentials"}
    return _cycle([form(target.paths.token, values, headers=basic(client, SECRET))])


def _code(target: Target) -> dict[str, Any]:
    base, headers = target.code_form(), basic("bench-opaque", SECRET)
    sent = [form(target.paths.token, {**base, "code": code}, headers=headers) for code in target.codes]
    target.codes.clear()
    return {**_cycle(sent), "once": True}


def _refresh(target: Target, seconds: float) -> dict[str, Any]:
    return {
        "kind": "refresh",
        "path": target.paths.token,
        "headers": basic("bench-opaque", SECRET),
        "tokens": target.refresh[:CONNECTIONS],
        "seconds": seconds,
    }


def _userinfo(target: Target) -> dict[str, Any]:
    return _cycle([get(target.paths.userinfo, Authorization=f"Bearer {token}") for token in target.access])


def _introspect(target: Target) -> dict[str, Any]:
    headers = basic("bench-opaque", SECRET)
    return _cycle([form(target.paths.introspect, {"token": token}, headers=headers) for token in target.access])


def _discovery(target: Target) -> dict[str, Any]:
    return _cycle([get(target.paths.discovery)])


def _authorize(target: Target) -> dict[str, Any]:
    url = target.authorize_url("bench-opaque")
    return {**_cycle([one.request(url) for one in target.browsers]), "collect": "location"}


def _login(target: Target) -> dict[str, Any]:
    return {
        "kind": "login",
        "connections": PERSONS,
        "people": [target.typed(name) for name in PEOPLE],
        "url": target.authorize_url(target.login_client),
        "until": CALLBACK,
        "token": target.paths.token,
        "form": target.code_form(),
        "headers": basic(target.login_client, SECRET),
    }


def _cycle(sent: list[bytes]) -> dict[str, Any]:
    return {"kind": "cycle", "requests": [one.decode("latin-1") for one in sent]}


_JOBS: Final = {
    "rs256": lambda target: _client_credentials("bench-rs256", target),
    "es256": lambda target: _client_credentials("bench-es256", target),
    "opaque": lambda target: _client_credentials("bench-opaque", target),
    "code": _code,
    "userinfo": _userinfo,
    "introspect": _introspect,
    "discovery": _discovery,
    "authorize": _authorize,
    "login": _login,
}
