"""The client certificate in a header of a reverse proxy (RFC 9440; PEM of nginx, Caddy and Traefik)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Final
from urllib.parse import unquote

MAX_LENGTH: Final = 16_384  # characters of the header

_PEM: Final = re.compile(r"\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")


class BadCertificateHeader(ValueError):
    """A header that no supported proxy writes."""


def read_certificate_header(text: str) -> bytes | None:
    """Return the certificate in DER, or None when the client sent none. Raises BadCertificateHeader.

    Formats: `:base64:` (RFC 9440 2.1), PEM with percent encoding, and base64 alone. Of a chain the first certificate
    is read, which is the client's.
    """
    value = text.strip()
    if not value:
        return None
    if len(value) > MAX_LENGTH:
        raise BadCertificateHeader("too long")
    if value.startswith(":"):
        return _octets(value[1:].partition(":")[0])
    decoded = unquote(value)  # "+" stands for itself: proxies encode by RFC 3986
    pem = _PEM.match(decoded)
    if pem is not None:
        return _octets("".join(pem.group(1).split()))
    return _octets(decoded.partition(",")[0])


def certificate_thumbprint(der: bytes) -> str:
    """Return the x5t#S256 of a certificate in DER (RFC 8705 3.1)."""
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()


def _octets(text: str) -> bytes:
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadCertificateHeader("not base64") from error
    if not octets:
        raise BadCertificateHeader("empty")
    return octets
