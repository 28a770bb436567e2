"""TLS: the certificate of each name, chosen during the handshake.

A brand's web_certificate serves its domain and the names below, the default brand's every other name; without one the
self-signed pair of the installation is used. A change applies to the next handshake, within a second; open connections
keep theirs.

TLS 1.3, and of TLS 1.2 the suites with forward secrecy and authenticated encryption (RFC 9325 4.2). HSTS (RFC 6797) is
sent over our own TLS for names with a brand's certificate only: behind the self-signed one a browser could not return.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ostiary.brands.resources import Brand
from ostiary.brands.select import select
from ostiary.keys.defaults import SELF_SIGNED_NAME
from ostiary.keys.resources import CertificateKeyPair
from ostiary.proto.authority import is_loopback, split
from ostiary.resource.bounded_cache import BoundedCache

if TYPE_CHECKING:
    from ostiary.store.configuration.plane import ConfigPlane
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.web.request import Request
    from ostiary.web.response import Response

log = logging.getLogger("ostiary.app")

_MAX_READY: Final = 1_024  # certificates that are kept ready
_PROTOCOLS: Final = ("http/1.1",)
_SUITES: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; those of TLS 1.3 are all good


class Certificates:
    """The certificates of an installation, loaded at first use."""

    def __init__(self, plane: ConfigPlane) -> None:
        self._plane = plane
        self._contexts: BoundedCache[str, tuple[CertificateKeyPair, ssl.SSLContext | None]] = BoundedCache(_MAX_READY)

    def context(self) -> ssl.SSLContext:
        """Return the context of the listener. It chooses a certificate in each handshake."""
        context = _context()
        context.sni_callback = self._choose
        return context

    def _choose(self, connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int | None:
        context = self.find(name or "")
        if context is None:
            log.error("no certificate is usable for %s", name or "a client that names no host")
            return int(ssl.AlertDescription.ALERT_DESCRIPTION_INTERNAL_ERROR)
        connection.context = context
        return None

    def find(self, name: str) -> ssl.SSLContext | None:
        """Return the context of a host name, from the first usable candidate."""
        snapshot = self._plane.snapshot
        return next(
            (context for pair in _candidates(snapshot, name) if (context := self._context_of(pair)) is not None), None
        )

    def _context_of(self, pair: CertificateKeyPair) -> ssl.SSLContext | None:
        """Return the cached context of a pair. Snapshots share unchanged objects, so identity means equality."""
        key = str(pair.pk)
        cached = self._contexts.get(key)
        if cached is None or cached[0] is not pair:
            cached = self._contexts.keep(key, (pair, _load(pair)))
        return cached[1]


class StrictTransport:
    """Adds HSTS (RFC 6797) to answers over our own TLS."""

    def __init__(self, plane: ConfigPlane, seconds: int) -> None:
        self._plane = plane
        self._line = f"max-age={seconds}" if seconds else ""

    def finish(self, request: Request, response: Response) -> None:
        """Add the header, without subdomains: they may have no TLS.

        It is not sent on loopback, where one name stands for all programs of the machine.
        """
        if not self._line or not request.own_tls or is_loopback(split(request.host)[0]):
            return
        first = next(_candidates(self._plane.snapshot, request.host), None)
        if first is not None and first.name != SELF_SIGNED_NAME:
            response.headers.append(("strict-transport-security", self._line))


def _candidates(snapshot: Snapshot, name: str) -> Iterator[CertificateKeyPair]:
    """Yield the pairs for a name, best first."""
    brands = (select(snapshot, name), *(brand for brand in snapshot.all(Brand) if brand.default))
    for brand in brands:
        pair = snapshot.get(CertificateKeyPair, brand.web_certificate) if brand.web_certificate is not None else None
        if pair is not None and pair.key_data:
            yield pair
    own = snapshot.find(CertificateKeyPair, name=SELF_SIGNED_NAME)
    if own is not None:
        yield own


def _load(pair: CertificateKeyPair) -> ssl.SSLContext | None:
    context = _context()
    try:
        with _file(f"{pair.certificate_data.strip()}\n{pair.key_data.reveal().strip()}\n") as name:
            context.load_cert_chain(name)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        log.error("the certificate %r cannot be used for TLS: %s", pair.name, error)  # noqa: TRY400 - no defect of ours
        return None
    return context


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # guard: A70 suites without forward secrecy are not offered
    context.set_ciphers(_SUITES)
    context.set_alpn_protocols(list(_PROTOCOLS))
    return context


@contextmanager
def _file(text: str) -> Iterator[str]:
    """Yield a temporary file with the text for OpenSSL, in memory where possible."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("ostiary-pair"), "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
        return
    import tempfile  # noqa: PLC0415 - not for those who have memory for it

    with tempfile.NamedTemporaryFile("w", encoding="ascii", suffix=".pem") as file:  # readable by its owner alone
        file.write(text)
        file.flush()
        yield file.name
