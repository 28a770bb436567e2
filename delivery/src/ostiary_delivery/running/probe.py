"""Probes of running services: liveness, readiness, version, and the age of certificates and keys."""

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

TIMEOUT: Final = 5  # seconds
LIVE: Final = "/-/health/live/"
READY: Final = "/-/health/ready/"
EXPIRY_MARGIN: Final = timedelta(days=14)  # a certificate that expires within this time fails
BODY_LIMIT: Final = 4 * 1024 * 1024
BUILD: Final = re.compile(r"^[a-z_:]+_build_info\{([^}]*)\}", re.MULTILINE)
LABEL: Final = re.compile(r'\b(version|digest)="([^"]+)"')
VALKEY: Final = 6379
_CONNECTION_ERRORS: Final = (OSError, HTTPException)


@dataclass(frozen=True, slots=True)
class Trust:
    """TLS verification: the certificate authorities, and the expected name if it is not that of the URL."""

    context: ssl.SSLContext
    name: str | None = None

    def wrap(self, connection: socket.socket, host: str) -> ssl.SSLSocket:
        """Start TLS on a connection. Raises OSError when the certificate is not trusted."""
        return self.context.wrap_socket(connection, server_hostname=self.name or host)


def server(url: str, *, now: datetime, trust: Trust | None = None) -> Iterator[Finding]:
    """Yield live, ready and, with https, the certificate of the server at a URL; a path in it stays in front."""
    place = _parse(url)
    for check, path in (("live", LIVE), ("ready", READY)):
        yield _endpoint("server", check, url.rstrip("/") + path, trust=trust)
    if place.scheme == "https":
        yield _served_certificate(place, now=now, trust=trust)


def worker(url: str, *, version: str | None, digest: str | None = None) -> Iterator[Finding]:
    """Yield live, ready and the metrics of a worker. All are served on its metrics port."""
    place = _parse(url)
    for check, path in (("live", LIVE), ("ready", READY)):
        yield _endpoint("worker", check, f"{place.scheme}://{place.netloc}{path}", trust=None)
    yield from metrics("worker", url, version=version, digest=digest)


def metrics(service: str, url: str, *, version: str | None, digest: str | None = None) -> Iterator[Finding]:
    """Yield whether a process serves metrics, and the version and digest in them.

    `version` and `digest` are the declared ones. A process knows its digest only from its deployment.
    """
    page = url if urlsplit(url).path.strip("/") else url.rstrip("/") + "/metrics"
    try:
        status, body = _get(page)
    except _CONNECTION_ERRORS as error:
        yield Finding(service, "metrics", passed=False, detail=f"{page}: {_message(error)}")
        return
    yield Finding(service, "metrics", status == HTTPStatus.OK, f"{page} answers {status}")
    match = BUILD.search(body.decode("utf-8", errors="replace"))
    labels = dict(LABEL.findall(match[1])) if match else {}
    yield same_version(service, labels.get("version"), version)
    yield same_digest(service, labels.get("digest"), digest)


def valkey(place: str, *, service: str, password: str | None, version: str | None) -> Iterator[Finding]:
    """Yield whether a valkey or redis at host[:port] answers, has loaded its data, and its version."""
    host, _, port = place.partition(":")
    try:
        with socket.create_connection((host, int(port or VALKEY)), timeout=TIMEOUT) as connection:
            reply = _query_valkey(connection, password)
    except (OSError, ValueError) as error:
        yield Finding(service, "live", passed=False, detail=f"{place}: {_message(error)}")
        return
    alive = bool(re.search(r"^\+PONG", reply, re.MULTILINE))
    denied = re.search(r"^-(.*)$", reply, re.MULTILINE)
    yield Finding(service, "live", alive, f"{place} answers PONG" if alive else f"{place} says {_first_line(reply)}")
    info = dict(re.findall(r"^(\w+):(.*?)\s*$", reply, re.MULTILINE))
    if denied and not info:
        yield Finding(service, "ready", passed=False, detail=denied[1].strip())
        return
    loading = info.get("loading", "0") != "0"
    yield Finding(service, "ready", not loading, "is loading its data" if loading else "has its data")
    yield same_version(service, info.get("valkey_version") or info.get("redis_version"), version)
    yield Finding(service, "digest", passed=None, detail="it does not know its image: check the manifest")


def load_trust(authorities: Path | None, *, name: str | None = None) -> Trust:
    """Return the TLS verification by the authorities of a file (PEM), or by the machine's own.

    Raises:
        BadDefinition: the file holds no certificate.
    """
    try:
        return Trust(ssl.create_default_context(cafile=str(authorities) if authorities else None), name)
    except (OSError, ssl.SSLError) as error:
        raise BadDefinition(f"{authorities}: expected certificates in PEM: {_message(error)}") from error


def keys(url: str, *, now: datetime, trust: Trust | None = None) -> Iterator[Finding]:
    """Yield the age of each key of a key set (RFC 7517) that carries its certificate."""
    try:
        status, body = _get(url, trust=trust)
        keys_found = json.loads(body)["keys"] if status == HTTPStatus.OK else None
    except (*_CONNECTION_ERRORS, ValueError, KeyError, TypeError) as error:
        yield Finding("server", "keys", passed=False, detail=f"{url}: {_message(error)}")
        return
    if not isinstance(keys_found, list) or not keys_found:
        yield Finding("server", "keys", passed=False, detail=f"{url} answers {status} and shows no key")
        return
    for one in keys_found:
        name = str(one.get("kid", "without a name")) if isinstance(one, dict) else "?"
        try:
            certificate = x509.load_der_x509_certificate(base64.b64decode(one["x5c"][0]))
        except (KeyError, IndexError, TypeError, ValueError):
            yield Finding(
                "server", f"key {name[:12]}", passed=None, detail="its age cannot be seen, it has no certificate"
            )
            continue
        yield _age("server", f"key {name[:12]}", certificate, now=now)


def _query_valkey(connection: socket.socket, password: str | None) -> str:
    authentication = [["AUTH", password]] if password else []
    for words in [*authentication, ["PING"], ["INFO", "server"], ["INFO", "persistence"], ["QUIT"]]:
        packed = [word.encode() for word in words]
        connection.sendall(b"*%d\r\n" % len(packed) + b"".join(b"$%d\r\n%s\r\n" % (len(one), one) for one in packed))
    reply = bytearray()
    while len(reply) < BODY_LIMIT:
        more = connection.recv(65536)
        if not more:
            break
        reply += more
    return reply.decode("utf-8", errors="replace")


def _endpoint(service: str, check: str, url: str, *, trust: Trust | None) -> Finding:
    try:
        status, _ = _get(url, trust=trust)
    except _CONNECTION_ERRORS as error:
        return Finding(service, check, passed=False, detail=f"{url}: {_message(error)}")
    return Finding(service, check, status in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}, f"{url} answers {status}")


def _served_certificate(place: SplitResult, *, now: datetime, trust: Trust | None) -> Finding:
    host = place.hostname or ""
    try:
        with (
            socket.create_connection((host, place.port or 443), timeout=TIMEOUT) as connection,
            (trust or load_trust(None)).wrap(connection, host) as tls,
        ):
            certificate = tls.getpeercert(binary_form=True) or b""
        return _age("server", "certificate", x509.load_der_x509_certificate(certificate), now=now)
    except (OSError, ValueError) as error:
        return Finding("server", "certificate", passed=False, detail=_message(error))


def _age(service: str, check: str, certificate: x509.Certificate, *, now: datetime) -> Finding:
    begun, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    passed = begun <= now and ends - now > EXPIRY_MARGIN
    return Finding(service, check, passed, f"{(now - begun).days} days old, ends in {(ends - now).days} days")


def _get(url: str, *, trust: Trust | None = None) -> tuple[int, bytes]:
    """Send one GET request. Redirects are not followed."""
    place = _parse(url)
    host = place.hostname or ""
    connection = HTTPConnection(host, place.port or (443 if place.scheme == "https" else 80), timeout=TIMEOUT)
    try:
        connection.connect()
        if place.scheme == "https":
            connection.sock = (trust or load_trust(None)).wrap(connection.sock, host)
        connection.request("GET", (place.path or "/") + (f"?{place.query}" if place.query else ""))
        response = connection.getresponse()
        return response.status, response.read(BODY_LIMIT)
    finally:
        connection.close()


def _parse(url: str) -> SplitResult:
    """Return a URL's parts.

    Raises:
        BadDefinition: its scheme is not http or https.
    """
    try:
        place = urlsplit(url)
        valid = place.scheme in {"http", "https"} and bool(place.hostname) and place.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise BadDefinition(f"{url!r} is not a URL of http or https")
    return place


def _message(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _first_line(reply: str) -> str:
    return next(iter(reply.splitlines()), "nothing")[:80]


def today() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)
