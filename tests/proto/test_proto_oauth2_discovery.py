"""The metadata document: every member follows from what is offered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ostiary.proto.jose.jwe import READABLE_CONTENT
from ostiary.proto.oauth2.provider_metadata import (
    DEVICE_CODE,
    Capabilities,
    Endpoints,
    Signing,
    metadata,
    response_types,
)

WHERE = Endpoints("i", "a", "t", "u", "e", "n", "r", "j", "p")
CAPABILITIES = Capabilities(
    grant_types=("authorization_code", "refresh_token"),
    scopes=("openid",),
    claims=("email", "sub"),
    acr=("x",),
    auth_methods=("client_secret_basic",),
    introspection_methods=("client_secret_basic",),
    challenge_methods=("S256",),
    locales=("en",),
    front_tokens=True,
    signing=Signing(tokens="ES256"),
    pairwise=False,
    certificate_bound=False,
    pushed_only=False,
    signed_requests_only=False,
    backchannel_logout=True,
    frontchannel_logout=False,
)
ALL = ("code", "id_token", "id_token token", "code token", "code id_token", "code id_token token", "token")


@pytest.mark.parametrize(
    ("grants", "front", "types"),
    [
        (("authorization_code",), True, ("code",)),
        (("authorization_code", "implicit"), True, ALL),
        (("authorization_code", "implicit"), False, ("code", "id_token", "code id_token")),
        (("implicit",), True, ("id_token", "id_token token", "token")),
        (("implicit",), False, ("id_token",)),
        (("client_credentials", DEVICE_CODE), True, ()),
    ],
)
def test_response_types_follow_the_grants(grants: tuple[str, ...], front: bool, types: tuple[str, ...]) -> None:
    assert response_types(grants, front_tokens=front) == types
    document = metadata(WHERE, replace(CAPABILITIES, grant_types=grants, front_tokens=front))
    assert document["response_types_supported"] == list(types)
    assert bool(document["response_modes_supported"]) is bool(types)
    assert document["grant_types_supported"] == list(grants)


def test_claims_stand_once() -> None:
    claims = metadata(WHERE, CAPABILITIES)["claims_supported"]
    assert isinstance(claims, list)
    assert claims.count("sub") == claims.count("email") == 1


def test_algorithms_are_told_only_of_what_is_signed() -> None:
    bare = metadata(WHERE, CAPABILITIES)
    for name in ("id_token", "authorization", "introspection"):
        assert bare[f"{name}_signing_alg_values_supported"] == ["ES256"]
    assert not any(
        name.startswith(("userinfo_signing", "request_object", "token_endpoint_auth_signing")) or "encryption" in name
        for name in bare
    )
    assert bare["request_parameter_supported"] is False
    more = metadata(WHERE, replace(CAPABILITIES, signing=Signing(
        tokens="ES256", userinfo=("ES256",), request_objects=("RS256",), encryption=("ECDH-ES", "A256GCM")
    )))  # fmt: skip
    assert more["userinfo_signing_alg_values_supported"] == ["ES256"]
    assert more["request_object_signing_alg_values_supported"] == ["RS256"]
    assert more["request_parameter_supported"] is True
    for name in ("id_token", "authorization", "userinfo"):
        assert more[f"{name}_encryption_alg_values_supported"] == ["ECDH-ES"]
        assert more[f"{name}_encryption_enc_values_supported"] == ["A256GCM"]


def test_plain_userinfo_is_not_encrypted() -> None:
    offer = replace(CAPABILITIES, signing=Signing(tokens="ES256", encryption=("ECDH-ES", "A256GCM")))
    document = metadata(WHERE, offer)
    assert document["id_token_encryption_enc_values_supported"] == ["A256GCM"]
    assert "userinfo_encryption_enc_values_supported" not in document


def test_encryption_of_requests_is_offered_where_requests_are_signed() -> None:
    name = "request_object_encryption_alg_values_supported"
    signing = Signing(tokens="ES256", request_encryption=("ECDH-ES",))
    assert name not in metadata(WHERE, replace(CAPABILITIES, signing=signing))
    document = metadata(WHERE, replace(CAPABILITIES, signing=replace(signing, request_objects=("RS256",))))
    assert document[name] == ["ECDH-ES"]
    assert document["request_object_encryption_enc_values_supported"] == list(READABLE_CONTENT)


def test_assertions_have_algorithms() -> None:
    offer = replace(
        CAPABILITIES, auth_methods=("private_key_jwt",), signing=Signing(tokens="ES256", client_assertions=("PS256",))
    )
    document = metadata(WHERE, offer)
    for name in ("token", "revocation", "introspection"):
        assert document[f"{name}_endpoint_auth_signing_alg_values_supported"] == ["PS256"]


def test_addresses_that_are_there_for_some() -> None:
    assert not {"device_authorization_endpoint", "check_session_iframe"} & set(metadata(WHERE, CAPABILITIES))
    where = replace(WHERE, device="d", check_session="c")
    assert "device_authorization_endpoint" not in metadata(where, CAPABILITIES)
    document = metadata(where, replace(CAPABILITIES, grant_types=(DEVICE_CODE,)))
    assert document["device_authorization_endpoint"] == "d"
    assert document["check_session_iframe"] == "c"
