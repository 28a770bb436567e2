"""The client's certificate as a proxy hands it over, in one header (RFC 9440; PEM as nginx, Caddy and Traefik do)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Final
from urllib.parse import unquote

LONGEST: Final = 16_384  # characters of the header

_PEM: Final = re.compile(r"\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")


class BadCertificateHeader(ValueError):
    """Nothing a proxy would write."""


def read_certificate_header(text: str) -> bytes | None:
    """Return the certificate's DER octets, or None when the proxy saw no certificate. Raises BadCertificateHeader.

    Taken are `:base64:` (RFC 9440 2.1), PEM with percent encoding, and its base64 alone. Of several the first counts:
    the client's own comes before its issuers'.
    """
    value = text.strip()
    if not value:
        return None
    if len(value) > LONGEST:
        raise BadCertificateHeader("too long")
    if value.startswith(":"):
        return _octets(value[1:].partition(":")[0])
    plain = unquote(value)  # "+" stands for itself: proxies encode by RFC 3986
    pem = _PEM.match(plain)
    if pem is not None:
        return _octets("".join(pem.group(1).split()))
    return _octets(plain.partition(",")[0])


def certificate_thumbprint(der: bytes) -> str:
    """Return x5t#S256 (RFC 8705 3.1)."""
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()


def _octets(text: str) -> bytes:
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadCertificateHeader("not base64") from error
    if not octets:
        raise BadCertificateHeader("empty")
    return octets
