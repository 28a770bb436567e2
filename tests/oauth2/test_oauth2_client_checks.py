"""What a provider may say of its client's way to prove itself."""

from __future__ import annotations

from typing import Any

import pytest
from oauth2_client_keys import Key
from oauth2_rig import provider

from ostiary.providers.oauth2.provider.client_validation import validate_client
from ostiary.seal import Secret

KEYS = Key().jwks
PRIVATE = {"keys": [{**Key().jwk, "d": "AAAA"}]}


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, []),
        ({"client_type": "public"}, []),
        ({"client_type": "public", "token_endpoint_auth_method": "private_key_jwt", "jwks": KEYS}, ["token_endpoint_auth_method"]),
        ({"token_endpoint_auth_method": "client_secret_basic", "client_secret": Secret("")}, ["client_secret"]),
        ({"token_endpoint_auth_method": "client_secret_jwt", "client_secret": Secret("short")}, ["client_secret"]),
        ({"token_endpoint_auth_method": "private_key_jwt"}, ["jwks"]),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []}}, ["jwks"]),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": "x"}}, ["jwks"]),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks": KEYS}, []),
        ({"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": KEYS}, []),
        ({"jwks": {"keys": [5]}}, ["jwks"]),
        ({"jwks": PRIVATE}, ["jwks"]),
        ({"token_endpoint_auth_method": "tls_client_auth"}, ["tls_client_auth_subject_dn"]),
        ({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "CN=a,O=b"}, []),
        ({"tls_client_auth_subject_dn": "nonsense"}, ["tls_client_auth_subject_dn"]),
        ({"grant_types": ("refresh_token",)}, ["grant_types"]),
        ({"jwt_federation_audiences": ("",)}, ["jwt_federation_audiences"]),
        ({"jwt_federation_audiences": ("x" * 2049,)}, ["jwt_federation_audiences"]),
    ],
)  # fmt: skip
def test_combinations(changes: dict[str, Any], fields: list[str]) -> None:
    assert [problem.field for problem in validate_client(provider(1, **changes))] == fields
