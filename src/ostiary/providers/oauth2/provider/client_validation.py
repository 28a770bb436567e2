"""Validation of client authentication, grants and federation. Done when a provider is saved."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ostiary.proto.jose import JoseError, VerifyingKey
from ostiary.proto.jose.jwks import verifying_keys
from ostiary.resource import Problem

if TYPE_CHECKING:
    from ostiary.providers.oauth2.provider.fields import OAuth2ProviderFields

_METHOD: Final = "token_endpoint_auth_method"
_BY_KEYS: Final = frozenset({"private_key_jwt", "self_signed_tls_client_auth"})
_BY_SECRET: Final = frozenset({"client_secret_basic", "client_secret_post", "client_secret_jwt"})
_DEVICE: Final = "urn:ietf:params:oauth:grant-type:device_code"
_MAX_AUDIENCE_LENGTH: Final = 2048  # characters
_LEAST_SECRET: Final = 32  # octets of a secret that makes signatures (RFC 7518 3.2)
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


def validate_client(item: OAuth2ProviderFields) -> Iterable[Problem]:
    """Yield what is wrong with method, keys, subject, grants and federation of a client."""
    method = item.token_endpoint_auth_method
    if item.client_type == "public" and method != "secret":
        yield Problem(_METHOD, "a public client proves nothing, expected secret")
    if method in _BY_SECRET and not item.client_secret:
        yield Problem("client_secret", f"{method} needs it, expected a text")
    if method == "client_secret_jwt" and 0 < len(item.client_secret.reveal().encode()) < _LEAST_SECRET:
        yield Problem("client_secret", f"it makes signatures, expected at least {_LEAST_SECRET} characters")
    yield from _validate_keys(item, needed=method in _BY_KEYS)
    yield from _validate_subject(item)
    if "refresh_token" in item.grant_types and not {"authorization_code", _DEVICE} & set(item.grant_types):
        yield Problem("grant_types", "nothing makes refresh tokens, expected authorization_code or device_code as well")
    if any(not text or len(text) > _MAX_AUDIENCE_LENGTH for text in item.jwt_federation_audiences):
        yield Problem("jwt_federation_audiences", f"expected texts of 1 to {_MAX_AUDIENCE_LENGTH} characters")


def _validate_keys(item: OAuth2ProviderFields, *, needed: bool) -> Iterable[Problem]:
    if not item.jwks and not needed:
        return
    try:
        keys: tuple[VerifyingKey, ...] = verifying_keys(item.jwks)
    except JoseError as error:
        yield Problem("jwks", str(error))
        return
    if needed and not keys:
        yield Problem("jwks", f"{item.token_endpoint_auth_method} needs a key for signatures, expected one")
    listed = item.jwks.get("keys")
    for index, key in enumerate(listed if isinstance(listed, list | tuple) else ()):
        if _PRIVATE & key.keys():
            yield Problem("jwks", f"key {index} is a private key, expected its public key")


def _validate_subject(item: OAuth2ProviderFields) -> Iterable[Problem]:
    from ostiary.providers.oauth2.client_authentication.mtls import subject_problem  # noqa: PLC0415 - X.509 is read when it is needed

    subject = item.tls_client_auth_subject_dn
    if not subject and item.token_endpoint_auth_method != "tls_client_auth":  # noqa: S105 - the name of a method
        return
    expected = subject_problem(subject)
    if expected is not None:
        yield Problem("tls_client_auth_subject_dn", expected)
