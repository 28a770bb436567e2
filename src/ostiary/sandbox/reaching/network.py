"""Asks other machines for an expression: HTTP requests, addresses of names, names of addresses."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urljoin, urlsplit

from ostiary.resource import codec
from ostiary.sandbox.reaching.allowed import HOSTS_SETTING, NETWORKS_SETTING, AllowedHosts, shown
from ostiary.sandbox.workers import HostError
from ostiary.web.outgoing.exchange import OutgoingResponse, exchange
from ostiary.web.outgoing.requests import OutgoingFailed, RequestTarget, target_of

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_REQUESTS: Final = 10
"""Requests and look-ups of one run, redirects included."""

MAX_RESPONSE: Final = 512 * 1024
"""Bytes of the body of a response."""

SECONDS: Final = 5.0
"""The time for one answer where the expression names none."""

_MAX_SECONDS: Final = 30.0
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OURS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "expect", "upgrade", "te"}
)
_SECRET: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE: Final = re.compile(r"[\x20-\x7e\t]{0,8000}")
_CHARSET: Final = re.compile(r"charset=\"?([A-Za-z0-9._-]+)", re.IGNORECASE)
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD: Final = frozenset({307, 308})


class Network:
    """What one run may ask. `asked` says what it did, without queries, which may hold secrets.

    In a trial nothing is asked: `unknown` is called with what the answer depends on, and ends the run.
    """

    def __init__(
        self, allowed: AllowedHosts, counts: dict[str, int], unknown: Callable[[str], None] | None = None
    ) -> None:
        """`counts` are the requests of the process by result."""
        self._allowed = allowed
        self._counts = counts
        self._unknown = unknown
        self._left = MAX_REQUESTS
        self.asked: list[str] = []

    async def fetch(self, method: object, url: object, options: object) -> dict[str, object]:
        """Return a response as `requests` has it. Raises HostError."""
        given = options if isinstance(options, Mapping) else {}
        verb = str(method).upper()
        if verb not in _METHODS:
            raise HostError(f"there is no method {verb[:20]}")
        address, body, headers = _with_params(str(url), given.get("params")), *_content(given)
        headers = {**headers, **_headers(given.get("headers")), **_basic(given.get("auth"))}
        follows = given.get("allow_redirects", verb != "HEAD") is not False
        seconds = _seconds(given.get("timeout"))
        try:
            async with asyncio.timeout(seconds):
                return await self._followed(verb, address, headers, body, follows=follows)
        except TimeoutError:
            self._count("failed")
            raise HostError(f"no response within {seconds:g} seconds", TimeoutError) from None

    async def _followed(
        self, verb: str, address: str, headers: dict[str, str], body: bytes | None, *, follows: bool
    ) -> dict[str, object]:
        while True:
            target = self._target(address)
            response = await self._once(verb, target, address, headers, body)
            location = dict(response.headers).get("location")
            if not follows or response.status not in _REDIRECTS or not location:
                return _told(response, address)
            onward = urljoin(address, location)
            if urlsplit(onward).netloc != urlsplit(address).netloc or urlsplit(onward).scheme == "http":
                # guard: A67 credentials stay with the host they were meant for
                headers = {name: value for name, value in headers.items() if name.lower() not in _SECRET}
            if response.status not in _SAME_METHOD and verb != "HEAD":
                verb, body = "GET", None
                headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
            address = onward

    def _target(self, address: str) -> RequestTarget:
        """Return whom a request goes to, if that is allowed. Asked again for each redirect. Raises HostError."""
        try:
            target = target_of(address.partition("#")[0])
        except OutgoingFailed as error:
            raise HostError(str(error)) from None
        if not self._allowed.allows_target(target):
            self._count("refused")
            raise HostError(f"{shown(target)} may not be asked: {HOSTS_SETTING} names who may", PermissionError)
        return target

    async def _once(
        self, verb: str, target: RequestTarget, address: str, headers: Mapping[str, str], body: bytes | None
    ) -> OutgoingResponse:
        where = address.partition("#")[0].partition("?")[0]
        self._take(f"the answer to {verb} {where}")
        result = "failed"
        try:
            response = await exchange(
                verb, target, tuple(headers.items()), body, limit=MAX_RESPONSE, admits=self._allowed.admits
            )
            result = str(response.status)
        except OutgoingFailed as error:
            private = "private address" in str(error)
            more = f": {NETWORKS_SETTING} names the networks that may be reached" if private else ""
            raise HostError(f"{where}: {error}{more}", PermissionError if private else OSError) from None
        except (OSError, ValueError) as error:
            raise HostError(f"{where}: {type(error).__name__}", OSError) from None
        finally:
            self._count("answered" if result != "failed" else "failed")
            self.asked.append(f"asked {verb} {where}: {result}")
        return response

    async def addresses(self, host: object, version: object) -> list[str]:
        """Return the addresses of a name, none when nobody knows it. Raises HostError."""
        name = str(host).lower().removesuffix(".")
        # guard: A67 names are looked up for the hosts of the operator only
        if not self._allowed.allows_name(name):
            self._count("refused")
            raise HostError(f"{name} may not be looked up: {HOSTS_SETTING} names who may", PermissionError)
        self._take(f"the address of {name} (DNS)")
        try:
            async with asyncio.timeout(SECONDS):
                infos = await asyncio.get_running_loop().getaddrinfo(name, None)
        except (OSError, ValueError):
            infos = []
        self._count("answered" if infos else "failed")
        found = list(dict.fromkeys(ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in infos))
        self.asked.append(f"asked for the address of {name}: {len(found)}")
        return [str(one) for one in found if version is None or one.version == version]

    async def name(self, address: object) -> str:
        """Return the name of an address, or the address when it has none. Raises HostError."""
        text = str(address)
        try:
            parsed = ipaddress.ip_address(text)
        except ValueError:
            return text
        # guard: A67 addresses are looked up in the networks of the operator only
        if not self._allowed.allows_address(parsed):
            self._count("refused")
            raise HostError(f"{text} may not be looked up: {NETWORKS_SETTING} names what may", PermissionError)
        self._take(f"the name of {text} (DNS)")
        try:
            async with asyncio.timeout(SECONDS):
                name, _ = await asyncio.get_running_loop().getnameinfo((str(parsed), 0))
        except OSError:
            name = text
        self._count("answered" if name != text else "failed")
        self.asked.append(f"asked for the name of {text}")
        return name

    def _take(self, what: str) -> None:
        if self._unknown is not None:
            self._unknown(what)
        self._left -= 1
        # guard: A56 an expression asks other machines a few times
        if self._left < 0:
            raise HostError(f"an expression asks other machines {MAX_REQUESTS} times at most", OSError)

    def _count(self, result: str) -> None:
        self._counts[result] = self._counts.get(result, 0) + 1


def _seconds(timeout: object) -> float:
    if isinstance(timeout, list | tuple):
        parts = [float(one) for one in timeout if isinstance(one, int | float)]
        timeout = sum(parts) if parts else None
    if not isinstance(timeout, int | float) or timeout <= 0:
        return SECONDS
    return min(float(timeout), _MAX_SECONDS)


def _with_params(url: str, params: object) -> str:
    """Return a URL with more parameters, as `requests` adds them."""
    if not params:
        return url
    address, hashed, fragment = url.partition("#")
    more = params if isinstance(params, str) else _form(params)
    return address + ("&" if "?" in address else "?") + more + hashed + fragment


def _form(values: object) -> str:
    pairs = list(values.items()) if isinstance(values, Mapping) else values
    try:
        if isinstance(pairs, list | tuple):
            return urlencode([(name, value) for name, value in pairs if value is not None], doseq=True)
    except (TypeError, ValueError):
        pass
    raise HostError("parameters are a dictionary, or a list of pairs", TypeError)


def _content(given: Mapping[str, object]) -> tuple[bytes | None, dict[str, str]]:
    """Return the body, None without one, and the headers that say what it is."""
    data = given.get("data")
    if given.get("json") is not None:
        return codec.encode(given["json"]), {"Content-Type": "application/json"}
    if isinstance(data, bytes):
        return data, {}
    if isinstance(data, str):
        return data.encode("utf-8", "replace"), {}
    if data:
        return _form(data).encode("ascii"), {"Content-Type": "application/x-www-form-urlencoded"}
    return None, {}


def _headers(given: object) -> dict[str, str]:
    """Return the headers of an expression. Raises HostError."""
    found: dict[str, str] = {}
    for name, value in (given if isinstance(given, Mapping) else {}).items():
        text = str(value).strip()
        # guard: A67 a header of an expression is one header
        if not _NAME.fullmatch(str(name)) or not _VALUE.fullmatch(text):
            raise HostError(f"the header {str(name)[:40]!r} is malformed")
        if str(name).lower() in _OURS:
            raise HostError(f"the header {name} cannot be set")
        found[str(name)] = text
    return found


def _basic(auth: object) -> dict[str, str]:
    if not isinstance(auth, list | tuple) or len(auth) != 2:  # noqa: PLR2004 - name and password
        return {}
    pair = f"{auth[0]}:{auth[1]}".encode("utf-8", "replace")
    return {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}


def _told(response: OutgoingResponse, url: str) -> dict[str, object]:
    headers: dict[str, str] = {}
    for name, value in response.headers:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    charset = _CHARSET.search(headers.get("content-type", ""))
    try:
        text = response.body.decode(charset[1] if charset else "utf-8", "replace")
    except LookupError:
        text = response.body.decode("utf-8", "replace")
    try:
        reason = HTTPStatus(response.status).phrase
    except ValueError:
        reason = ""
    return {
        "status": response.status,
        "reason": reason,
        "headers": headers,
        "content": response.body,
        "text": text,
        "url": url,
    }
