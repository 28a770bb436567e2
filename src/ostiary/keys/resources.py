"""The definition of a certificate-key pair."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from ostiary.resource import (
    BLUEPRINT_ONLY,
    MULTILINE,
    UNIQUE,
    Help,
    Length,
    Problem,
    Reading,
    Resource,
    Sealed,
    kind,
)
from ostiary.seal import Secret

MAX_PEM_LENGTH = 65_536


def _validate(pair: CertificateKeyPair) -> Iterable[Problem]:
    from ostiary.keys.certificate import validate_pair  # noqa: PLC0415 - X.509 is loaded only when a pair is saved

    return validate_pair(pair.certificate_data, pair.key_data.reveal())


@kind(
    "authentik_crypto.certificatekeypair",
    verbose_name="Certificate-Key Pair",
    component="ak-crypto-certificate-form",
    routes="crypto/certificatekeypairs",
    check=_validate,
)
class CertificateKeyPair(Resource):
    """A certificate, and its private key if we hold it."""

    name: Annotated[str, UNIQUE, Length(1)]
    certificate_data: Annotated[str, MULTILINE, Length(1, MAX_PEM_LENGTH), Help("Certificate in PEM.")]
    key_data: Annotated[
        Secret,
        Sealed(Reading.KEY_MATERIAL),
        MULTILINE,
        Length(0, MAX_PEM_LENGTH),
        Help("Private key in PEM, without a passphrase. Without it the pair only verifies and encrypts."),
    ] = Secret("")
    managed: Annotated[
        str | None, UNIQUE, BLUEPRINT_ONLY, Help("Identifies a pair that the program itself created.")
    ] = None
    kid: Annotated[
        str, BLUEPRINT_ONLY, Length(0, 255), Help("Key id of an imported key. Empty: derived from the key.")
    ] = ""
