"""TLS: which certificate answers for a name, as the configuration says at the moment of the handshake.

A brand's web_certificate answers for its domain and the names below it, the default brand's for every other name, and
the self-signed pair of every installation where no brand has one. A change counts for the next handshake, within the
second in which a process learns of it; connections that are open stay as they are.

TLS 1.3, and of TLS 1.2 what has forward secrecy and authenticated encryption (RFC 9325 4.2). HSTS (RFC 6797) is told
over our own TLS for names that have a brand's certificate: with the self-signed one nobody could come back.
"""

from __future__ import annotations

import logging
import os
import ssl
import tempfile
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

_MOST_READY: Final = 1_024  # certificates that are kept ready
_PROTOCOLS: Final = ("http/1.1",)
_SUITES: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; those of TLS 1.3 are all good


class Certificates:
    """The certificates of one installation, made ready when a browser asks for them."""

    def __init__(self, plane: ConfigPlane) -> None:
        self._plane = plane
        self._ready: BoundedCache[str, tuple[CertificateKeyPair, ssl.SSLContext | None]] = BoundedCache(_MOST_READY)

    def context(self) -> ssl.SSLContext:
        """Return the context to listen with: it has no certificate of its own and chooses one in each handshake."""
        made = _context()
        made.sni_callback = self._choose
        return made

    def _choose(self, connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int | None:
        found = self.find(name or "")
        if found is None:
            log.error("no certificate is usable for %s", name or "a client that names no host")
            return int(ssl.AlertDescription.ALERT_DESCRIPTION_INTERNAL_ERROR)
        connection.context = found
        return None

    def find(self, name: str) -> ssl.SSLContext | None:
        """Return what answers for a host name, the first of those wanted that can be used."""
        snapshot = self._plane.snapshot
        return next((one for pair in _wanted(snapshot, name) if (one := self._made(pair)) is not None), None)

    def _made(self, pair: CertificateKeyPair) -> ssl.SSLContext | None:
        """Return the context of a pair. Snapshots share what did not change, so the same object is the same pair."""
        key = str(pair.pk)
        known = self._ready.get(key)
        if known is None or known[0] is not pair:
            known = self._ready.keep(key, (pair, _load(pair)))
        return known[1]


class StrictTransport:
    """Tells browsers to come back over TLS alone, where that is what they came over and it is no trial."""

    def __init__(self, plane: ConfigPlane, seconds: int) -> None:
        self._plane = plane
        self._line = f"max-age={seconds}" if seconds else ""

    def finish(self, request: Request, response: Response) -> None:
        """Add the header. It says nothing of names below: whether those have TLS is not known here.

        Nor is it told on loopback, where one name stands for every program of the machine.
        """
        if not self._line or not request.own_tls or is_loopback(split(request.host)[0]):
            return
        best = next(_wanted(self._plane.snapshot, request.host), None)
        if best is not None and best.name != SELF_SIGNED_NAME:
            response.headers.append(("strict-transport-security", self._line))


def _wanted(snapshot: Snapshot, name: str) -> Iterator[CertificateKeyPair]:
    """Yield the pairs that may answer for a name, the best first."""
    brands = (select(snapshot, name), *(brand for brand in snapshot.all(Brand) if brand.default))
    for brand in brands:
        pair = snapshot.get(CertificateKeyPair, brand.web_certificate) if brand.web_certificate is not None else None
        if pair is not None and pair.key_data:
            yield pair
    own = snapshot.find(CertificateKeyPair, name=SELF_SIGNED_NAME)
    if own is not None:
        yield own


def _load(pair: CertificateKeyPair) -> ssl.SSLContext | None:
    made = _context()
    try:
        with _file(f"{pair.certificate_data.strip()}\n{pair.key_data.reveal().strip()}\n") as name:
            made.load_cert_chain(name)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        log.error("the certificate %r cannot be used for TLS: %s", pair.name, error)  # noqa: TRY400 - no defect of ours
        return None
    return made


def _context() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # guard: A70 suites without forward secrecy are not offered
    made.set_ciphers(_SUITES)
    made.set_alpn_protocols(list(_PROTOCOLS))
    return made


@contextmanager
def _file(text: str) -> Iterator[str]:
    """Give a file with the text for as long as OpenSSL reads it: in memory where there is such a thing."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("ostiary-pair"), "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
        return
    with tempfile.NamedTemporaryFile("w", encoding="ascii", suffix=".pem") as file:  # readable by its owner alone
        file.write(text)
        file.flush()
        yield file.name
