"""The X.509 reader. Imported on first use: the library takes a tenth of the start-up time."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from ostiary.keys.errors import UnreadableKey


def read_certificate(pem: str) -> x509.Certificate:
    """Return the first certificate of a PEM text. Raises UnreadableKey."""
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnreadableKey("expected a certificate in PEM") from error
