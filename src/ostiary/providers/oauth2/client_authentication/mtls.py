"""Client certificates (RFC 8705), forwarded by a trusted proxy, which has verified that the client holds the key.

The site drops the header of others. For clients identified by a subject, the proxy must accept only certificates of the
authorities for clients; for self-signed ones the key itself is compared.
"""

from __future__ import annotations

import hmac
from dataclasses import field
from typing import TYPE_CHECKING, Final

from ostiary.brands.select import select
from ostiary.keys.resources import CertificateKeyPair
from ostiary.proto.jose import JoseError, public_jwk, require_key_size, thumbprint
from ostiary.proto.jose.jwks import public_key
from ostiary.proto.oauth2.clients.certificate_header import (
    BadCertificateHeader,
    certificate_thumbprint,
    read_certificate_header,
)
from ostiary.proto.oauth2.errors import INVALID_CLIENT, OAuthError
from ostiary.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.x509 import Certificate

    from ostiary.providers.oauth2.provider.fields import OAuth2ProviderFields
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.web.request import Request

_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """The certificate of the connection between client and proxy."""

    der: bytes = field(repr=False)

    @property
    def x5t(self) -> str:
        """The thumbprint for token binding."""
        return certificate_thumbprint(self.der)


def certificate_of(request: Request, services: OAuth2Services) -> ClientCertificate | None:
    """Return the client's certificate, None without one. Raises OAuthError (invalid_client) for a malformed one."""
    name = services.options.certificate_header
    if not name:
        return None
    try:
        der = read_certificate_header(request.headers.get(name, ""))
    except BadCertificateHeader as error:
        raise OAuthError(INVALID_CLIENT, f"the header {name}: {error}") from error
    return None if der is None else ClientCertificate(der)


def authorities_of(request: Request, services: OAuth2Services) -> tuple[str, ...]:
    """Return the certificates (PEM) of the brand's authorities for clients; empty: the proxy decides."""
    snapshot = services.plane.snapshot
    pairs = (snapshot.get(CertificateKeyPair, pk) for pk in select(snapshot, request.host).client_certificates)
    return tuple(pair.certificate_data for pair in pairs if pair is not None)


def verify_certificate(
    provider: OAuth2ProviderFields, sent: ClientCertificate | None, *, authorities: Sequence[str], now: int
) -> None:
    """Verify that the certificate is the client's (2.1.2, 2.2). Raises OAuthError (invalid_client).

    With `authorities`, one of them must have issued the certificate of a client identified by its subject.
    """
    if sent is None:
        raise OAuthError(INVALID_CLIENT, "no certificate came with the request")
    from cryptography import x509  # noqa: PLC0415 - read when a client with a certificate comes
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - as above

    try:
        certificate = x509.load_der_x509_certificate(sent.der)
        require_key_size(certificate.public_key())
        lasts = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise OAuthError(INVALID_CLIENT, f"unreadable certificate: {error}") from error
    if not lasts[0] <= now / _SECOND <= lasts[1]:
        raise OAuthError(INVALID_CLIENT, "the certificate is expired or not valid yet")
    by_subject = provider.token_endpoint_auth_method == "tls_client_auth"  # noqa: S105 - the name of a method
    check = _is_subject if by_subject else _is_registered
    if not check(provider, certificate):
        raise OAuthError(INVALID_CLIENT, "the certificate is another one")
    if by_subject and authorities and not any(_is_issued_by(certificate, pem) for pem in authorities):
        raise OAuthError(INVALID_CLIENT, "the certificate is of another authority")


def subject_problem(text: str) -> str | None:
    """Return what was expected of a malformed subject, or None when it is well-formed."""
    from cryptography import x509  # noqa: PLC0415 - as above

    try:
        empty = not list(x509.Name.from_rfc4514_string(text))
    except ValueError as error:
        return f"expected a subject such as CN=client,O=Example ({error})"
    return "expected a subject such as CN=client,O=Example" if empty else None


def _is_subject(provider: OAuth2ProviderFields, certificate: Certificate) -> bool:
    """Compare the subjects attribute by attribute, in order (RFC 5280 7.1, without its case folding)."""
    from cryptography import x509  # noqa: PLC0415 - as above

    try:
        expected = x509.Name.from_rfc4514_string(provider.tls_client_auth_subject_dn)
    except ValueError:
        return False
    return bool(list(expected)) and certificate.subject == expected


def _is_issued_by(certificate: Certificate, pem: str) -> bool:
    from cryptography import x509  # noqa: PLC0415 - as above
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - as above

    try:
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(pem.encode()))
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _is_registered(provider: OAuth2ProviderFields, certificate: Certificate) -> bool:
    """Return whether the key is one of the client's registered ones."""
    try:
        sent = thumbprint(public_jwk(certificate.public_key()))  # type: ignore[arg-type]  # others are refused
    except (JoseError, ValueError):
        return False
    keys = provider.jwks.get("keys")
    for jwk in keys if isinstance(keys, list | tuple) else ():
        try:
            known = public_key(jwk)
        except (JoseError, AttributeError):
            continue
        if known is not None and hmac.compare_digest(thumbprint(public_jwk(known)), sent):
            return True
    return False
