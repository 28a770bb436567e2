"""Asks services that run: live, ready, which version, and how old certificates and keys are."""

from __future__ import annotations

import base64
import json
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from cryptography import x509

from ostiary_delivery.errors import BadDefinition
from ostiary_delivery.running.finding import Finding, same_digest, same_version

PATIENCE: Final = 5  # seconds
LIVE: Final = "/-/health/live/"
READY: Final = "/-/health/ready/"
SOON: Final = timedelta(days=14)  # a certificate that ends within them is bad already
BYTES: Final = 4 * 1024 * 1024
BUILD: Final = re.compile(r"^[a-z_:]+_build_info\{([^}]*)\}", re.MULTILINE)
LABEL: Final = re.compile(r'\b(version|digest)="([^"]+)"')
VALKEY: Final = 6379
_CANNOT: Final = (OSError, HTTPException)


@dataclass(frozen=True, slots=True)
class Trust:
    """How servers are verified: by which authorities, and under which name when it is not the URL's."""

    context: ssl.SSLContext
    name: str | None = None

    def seal(self, plain: socket.socket, host: str) -> ssl.SSLSocket:
        """Return the connection with TLS around it. Raises OSError when the certificate is not believed."""
        return self.context.wrap_socket(plain, server_hostname=self.name or host)


def server(url: str, *, now: datetime, trust: Trust | None = None) -> Iterator[Finding]:
    """Yield live, ready and, with https, the certificate of the server at a URL; a path in it stays in front."""
    place = _parse(url)
    for what, path in (("live", LIVE), ("ready", READY)):
        yield _answers("server", what, url.rstrip("/") + path, trust=trust)
    if place.scheme == "https":
        yield _served_certificate(place, now=now, trust=trust)


def worker(url: str, *, wanted: str | None, digest: str | None = None) -> Iterator[Finding]:
    """Yield live and ready of a worker, which answers them on its metrics port, and what its metrics tell."""
    place = _parse(url)
    for what, path in (("live", LIVE), ("ready", READY)):
        yield _answers("worker", what, f"{place.scheme}://{place.netloc}{path}", trust=None)
    yield from metrics("worker", url, wanted=wanted, digest=digest)


def metrics(service: str, url: str, *, wanted: str | None, digest: str | None = None) -> Iterator[Finding]:
    """Yield whether a process shows metrics, and what they tell of its image.

    `wanted` and `digest` are the declared ones. A process can tell a digest only if its deployment told it.
    """
    page = url if urlsplit(url).path.strip("/") else url.rstrip("/") + "/metrics"
    try:
        status, body = _get(page)
    except _CANNOT as error:
        yield Finding(service, "metrics", good=False, told=f"{page}: {_words(error)}")
        return
    yield Finding(service, "metrics", status == HTTPStatus.OK, f"{page} answers {status}")
    found = BUILD.search(body.decode("utf-8", errors="replace"))
    told = dict(LABEL.findall(found[1])) if found else {}
    yield same_version(service, told.get("version"), wanted)
    yield same_digest(service, told.get("digest"), digest)


def valkey(place: str, *, service: str, password: str | None, wanted: str | None) -> Iterator[Finding]:
    """Yield whether a valkey or redis at host[:port] answers, has loaded its data, and its version."""
    host, _, port = place.partition(":")
    try:
        with socket.create_connection((host, int(port or VALKEY)), timeout=PATIENCE) as connection:
            told = _ask_valkey(connection, password)
    except (OSError, ValueError) as error:
        yield Finding(service, "live", good=False, told=f"{place}: {_words(error)}")
        return
    alive = bool(re.search(r"^\+PONG", told, re.MULTILINE))
    denied = re.search(r"^-(.*)$", told, re.MULTILINE)
    yield Finding(service, "live", alive, f"{place} answers PONG" if alive else f"{place} says {_first_line(told)}")
    told_of = dict(re.findall(r"^(\w+):(.*?)\s*$", told, re.MULTILINE))
    if denied and not told_of:
        yield Finding(service, "ready", good=False, told=denied[1].strip())
        return
    loading = told_of.get("loading", "0") != "0"
    yield Finding(service, "ready", not loading, "is loading its data" if loading else "has its data")
    yield same_version(service, told_of.get("valkey_version") or told_of.get("redis_version"), wanted)
    yield Finding(service, "digest", good=None, told="it does not know its image: ask the manifest")


def trusting(authorities: Path | None, *, name: str | None = None) -> Trust:
    """Return what verifies servers by the authorities of a file (PEM), or by the machine's own when there is none.

    Raises:
        BadDefinition: the file holds no certificate.
    """
    try:
        return Trust(ssl.create_default_context(cafile=str(authorities) if authorities else None), name)
    except (OSError, ssl.SSLError) as error:
        raise BadDefinition(f"{authorities}: expected certificates in PEM: {_words(error)}") from error


def keys(url: str, *, now: datetime, trust: Trust | None = None) -> Iterator[Finding]:
    """Yield the age of each key of a key set (RFC 7517) that carries its certificate."""
    try:
        status, body = _get(url, trust=trust)
        found = json.loads(body)["keys"] if status == HTTPStatus.OK else None
    except (*_CANNOT, ValueError, KeyError, TypeError) as error:
        yield Finding("server", "keys", good=False, told=f"{url}: {_words(error)}")
        return
    if not isinstance(found, list) or not found:
        yield Finding("server", "keys", good=False, told=f"{url} answers {status} and shows no key")
        return
    for one in found:
        name = str(one.get("kid", "without a name")) if isinstance(one, dict) else "?"
        try:
            certificate = x509.load_der_x509_certificate(base64.b64decode(one["x5c"][0]))
        except (KeyError, IndexError, TypeError, ValueError):
            yield Finding("server", f"key {name[:12]}", good=None, told="its age cannot be seen, it has no certificate")
            continue
        yield _age("server", f"key {name[:12]}", certificate, now=now)


def _ask_valkey(connection: socket.socket, password: str | None) -> str:
    asked = [["AUTH", password]] if password else []
    for words in [*asked, ["PING"], ["INFO", "server"], ["INFO", "persistence"], ["QUIT"]]:
        packed = [word.encode() for word in words]
        connection.sendall(b"*%d\r\n" % len(packed) + b"".join(b"$%d\r\n%s\r\n" % (len(one), one) for one in packed))
    told = bytearray()
    while len(told) < BYTES:
        more = connection.recv(65536)
        if not more:
            break
        told += more
    return told.decode("utf-8", errors="replace")


def _answers(service: str, what: str, url: str, *, trust: Trust | None) -> Finding:
    try:
        status, _ = _get(url, trust=trust)
    except _CANNOT as error:
        return Finding(service, what, good=False, told=f"{url}: {_words(error)}")
    return Finding(service, what, status in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}, f"{url} answers {status}")


def _served_certificate(place: SplitResult, *, now: datetime, trust: Trust | None) -> Finding:
    host = place.hostname or ""
    try:
        with (
            socket.create_connection((host, place.port or 443), timeout=PATIENCE) as plain,
            (trust or trusting(None)).seal(plain, host) as sealed,
        ):
            shown = sealed.getpeercert(binary_form=True) or b""
        return _age("server", "certificate", x509.load_der_x509_certificate(shown), now=now)
    except (OSError, ValueError) as error:
        return Finding("server", "certificate", good=False, told=_words(error))


def _age(service: str, what: str, certificate: x509.Certificate, *, now: datetime) -> Finding:
    begun, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    good = begun <= now and ends - now > SOON
    return Finding(service, what, good, f"{(now - begun).days} days old, ends in {(ends - now).days} days")


def _get(url: str, *, trust: Trust | None = None) -> tuple[int, bytes]:
    """Ask once; redirects are answers like others."""
    place = _parse(url)
    host = place.hostname or ""
    connection = HTTPConnection(host, place.port or (443 if place.scheme == "https" else 80), timeout=PATIENCE)
    try:
        connection.connect()
        if place.scheme == "https":
            connection.sock = (trust or trusting(None)).seal(connection.sock, host)
        connection.request("GET", (place.path or "/") + (f"?{place.query}" if place.query else ""))
        answer = connection.getresponse()
        return answer.status, answer.read(BYTES)
    finally:
        connection.close()


def _parse(url: str) -> SplitResult:
    """Return a URL's parts.

    Raises:
        BadDefinition: it is none of http or https.
    """
    try:
        place = urlsplit(url)
        known = place.scheme in {"http", "https"} and bool(place.hostname) and place.port != 0
    except ValueError:
        known = False
    if not known:
        raise BadDefinition(f"{url!r} is not a URL of http or https")
    return place


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _first_line(told: str) -> str:
    return next(iter(told.splitlines()), "nothing")[:80]


def today() -> datetime:
    """Return the time that ages are counted from."""
    return datetime.now(UTC)
