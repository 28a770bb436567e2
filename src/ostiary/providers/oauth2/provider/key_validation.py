"""Validation of a provider's keys: whether they fit the algorithms it names. Done when a provider is saved."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ostiary.keys.resources import CertificateKeyPair
from ostiary.resource import Look, Problem

if TYPE_CHECKING:
    from ostiary.providers.oauth2.provider.fields import OAuth2ProviderFields

_PAIR: Final = "authentik_crypto.certificatekeypair"
_BY_SECRET: Final = frozenset({"", "HS256"})


async def validate_keys(item: OAuth2ProviderFields, look: Look) -> Iterable[Problem]:
    """Return the problems of algorithms and keys that do not fit each other, one for each field that is wrong."""
    problems = [*await _signing(item, look), *await _encryption(item, look), *_own_encryption(item)]
    for pk in item.previous_signing_keys:
        problems.extend(_verifies(await look(_PAIR, pk)))
    return problems


async def _signing(item: OAuth2ProviderFields, look: Look) -> Iterable[Problem]:
    if item.signing_alg == "HS256" and not item.client_secret:
        problems = [Problem("signing_alg", "HS256 signs with the client secret, and there is none")]
    elif item.signing_key is not None:
        problems = _fits(item, await look(_PAIR, item.signing_key))
    elif item.signing_alg not in _BY_SECRET:
        problems = [Problem("signing_alg", f"{item.signing_alg} needs a signing_key, expected HS256 or an empty text")]
    else:
        problems = []
    return problems


def _fits(item: OAuth2ProviderFields, pair: CertificateKeyPair | None) -> list[Problem]:
    from ostiary.keys.pem import read_private_key  # noqa: PLC0415 - used only when a provider is saved
    from ostiary.proto.jose import algorithm_for  # noqa: PLC0415

    if pair is None or not pair.key_data:
        return [Problem("signing_key", "expected a pair with its private key, this one has only a certificate")]
    try:
        key = read_private_key(pair.key_data.reveal())
        algorithm_for(key, None if item.signing_alg in _BY_SECRET else item.signing_alg)
    except ValueError as error:
        return [Problem("signing_alg", str(error))]
    return []


async def _encryption(item: OAuth2ProviderFields, look: Look) -> Iterable[Problem]:
    from ostiary.keys.signer import certificate_jwk  # noqa: PLC0415 - as above
    from ostiary.proto.jose import require_recipient  # noqa: PLC0415

    if item.encryption_key is None:
        return []
    try:
        require_recipient(certificate_jwk(await look(_PAIR, item.encryption_key), use="enc"), item.encryption_alg)
    except ValueError as error:
        return [Problem("encryption_alg", str(error))]
    return []


def _own_encryption(item: OAuth2ProviderFields) -> Iterable[Problem]:
    """Yield the problem of the encryption key in the client's own `jwks`."""
    from ostiary.proto.jose import JoseError  # noqa: PLC0415 - as above
    from ostiary.providers.oauth2.tokens.key_set import client_recipient  # noqa: PLC0415

    try:
        client_recipient(item)
    except JoseError as error:
        return [Problem("jwks", f'the key with use "enc": {error}')]
    return []


def _verifies(pair: object) -> Iterable[Problem]:
    from ostiary.keys.signer import certificate_public_key  # noqa: PLC0415 - as above
    from ostiary.proto.jose import algorithms_for  # noqa: PLC0415

    if not isinstance(pair, CertificateKeyPair):
        return []
    try:
        algorithms_for(certificate_public_key(pair))
    except ValueError as error:
        return [Problem("previous_signing_keys", f"{pair.name}: {error}")]
    return []
