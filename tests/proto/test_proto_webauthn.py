from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.passkeys import ES256, RS256, YUBIKEY, EdDSA, SoftKey, text

from ostiary.proto.webauthn import (
    Credential,
    InvalidResponse,
    Party,
    as_bytes,
    as_text,
    creation_options,
    credential_id,
    load_verifier,
    request_options,
    user_handle,
    verify_assertion,
    verify_registration,
)

ORIGIN = "https://id.example.org"
PARTY = Party("id.example.org", ORIGIN)
CHALLENGE = text(b"c" * 64)
OPTIONS: dict[str, Any] = {"rp": {"id": "id.example.org"}, "user": {"id": text(b"ada")}, "challenge": CHALLENGE}
ASKED = {"rpId": "id.example.org", "challenge": CHALLENGE}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("algorithm", [ES256, EdDSA, RS256])
def test_what_an_authenticator_makes_is_verified(algorithm: Any, packed: bool) -> None:
    key = SoftKey(key=algorithm(), origin=ORIGIN, packed=packed)
    made = verify_registration(key.create(OPTIONS), challenge=CHALLENGE, party=PARTY)
    assert (made.credential_id, made.sign_count, made.aaguid, made.transports) == (key.id, 1, YUBIKEY, ("usb",))
    assert (made.user_verified, made.backed_up) == (True, False)
    assert made.public_key not in repr(made)
    key.verified = False
    asserted = verify_assertion(key.get(ASKED), challenge=CHALLENGE, party=PARTY, public_key=made.public_key)
    assert (asserted.sign_count, asserted.user_verified, asserted.backed_up) == (2, False, False)


def test_the_verifier_is_loaded_when_it_is_asked_for() -> None:
    code = (
        "import sys; from ostiary.proto.webauthn import load_verifier; a = 'webauthn' in sys.modules; load_verifier()"
    )
    ends = "; assert (a, 'webauthn' in sys.modules) == (False, True)"
    subprocess.run([sys.executable, "-c", code + ends], check=True)
    load_verifier()


def test_the_options_are_those_of_the_specification() -> None:
    known = [Credential("AAAA"), Credential("BBBB", ("usb", "nfc"))]
    described = [
        {"id": "AAAA", "type": "public-key"},
        {"id": "BBBB", "type": "public-key", "transports": ["usb", "nfc"]},
    ]
    asked = request_options(rp_id="id.example.org", challenge="c", allow=known, user_verification="required")
    assert asked["allowCredentials"] == described
    usual: dict[str, Any] = {"rp_id": "id.example.org", "rp_name": "House", "user": OPTIONS["user"], "challenge": "c"}
    made = creation_options(
        **usual, exclude=known, attachment="platform", resident_key="required", user_verification="preferred"
    )
    assert made["excludeCredentials"] == described
    assert made["authenticatorSelection"] == {
        "authenticatorAttachment": "platform",
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "preferred",
    }
    made = creation_options(
        **usual, exclude=(), attachment=None, resident_key="discouraged", user_verification="preferred"
    )
    assert "authenticatorAttachment" not in str(made)


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "https://evil.example"},
        {"rp_id": "example.org"},
        {"more": {"crossOrigin": True}},
        {"more": {"type": "webauthn.other"}},
        {"more": {"challenge": "AAAA"}},
    ],
)
def test_a35_what_answers_something_else_is_refused(change: dict[str, Any]) -> None:
    key = SoftKey(origin=ORIGIN)
    public_key = verify_registration(key.create(OPTIONS), challenge=CHALLENGE, party=PARTY).public_key
    for name, value in change.items():
        setattr(key, name, value)
    with pytest.raises(InvalidResponse):
        verify_registration(key.create(OPTIONS), challenge=CHALLENGE, party=PARTY)
    with pytest.raises(InvalidResponse):
        verify_assertion(key.get(ASKED), challenge=CHALLENGE, party=PARTY, public_key=public_key)


def test_a35_a_signature_of_another_key_is_refused() -> None:
    key = SoftKey(origin=ORIGIN)
    other = text(cbor2.dumps(ES256().cose()))
    with pytest.raises(InvalidResponse, match="InvalidAuthenticationResponse"):
        verify_assertion(key.get(ASKED), challenge=CHALLENGE, party=PARTY, public_key=other)
    for public_key in ("", "AA", "!", text(cbor2.dumps({1: 9}))):
        with pytest.raises(InvalidResponse):
            verify_assertion(key.get(ASKED), challenge=CHALLENGE, party=PARTY, public_key=public_key)


@pytest.mark.parametrize(
    "response",
    [
        {},
        {"id": ""},
        {"id": "A" * 1_365, "response": {}},
        {"id": "AAAA", "response": []},
        {"id": "AAAA", "response": {"clientDataJSON": None}},
        {"id": "AAAA", "response": {"clientDataJSON": "A" * 65_537}},
        *(
            {"id": "AAAA", "response": dict.fromkeys(("clientDataJSON", "attestationObject"), data)}
            for data in ("!", "AA", text(b"[]"), text(b"1"), text(b"[" * 9_000), "\u00e4")
        ),
    ],
)
def test_a_response_of_odd_shape_is_refused(response: dict[str, Any]) -> None:
    with pytest.raises(InvalidResponse):
        verify_registration(response, challenge=CHALLENGE, party=PARTY)


@given(response=st.dictionaries(st.sampled_from(["id", "rawId", "type", "response", "x"]), JSON), inner=st.binary())
def test_no_response_does_anything_but_be_refused(response: dict[str, Any], inner: bytes) -> None:
    client_data = text(json.dumps({"type": "webauthn.create", "challenge": CHALLENGE, "origin": ORIGIN}).encode())
    right = {"clientDataJSON": client_data, "attestationObject": text(inner), "authenticatorData": text(inner)}
    whole = {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {**right, "signature": text(inner)}}
    for one in (response, {**whole, **response}, whole):
        with pytest.raises(InvalidResponse):
            verify_registration(one, challenge=CHALLENGE, party=PARTY)
        with pytest.raises(InvalidResponse):
            verify_assertion(one, challenge=CHALLENGE, party=PARTY, public_key=text(inner))


def test_the_transports_are_those_we_know() -> None:
    key = SoftKey(origin=ORIGIN)
    for told, kept in ((["internal", "hybrid", "x"], ("hybrid", "internal")), (None, ()), ("usb", ())):
        response = key.create(OPTIONS)
        response["response"]["transports"] = told
        assert verify_registration(response, challenge=CHALLENGE, party=PARTY).transports == kept


def test_the_user_handle_is_what_the_options_said() -> None:
    assert user_handle({"response": {"userHandle": text(b"ada")}}) == "ada"
    for response in ({}, {"response": None}, {"response": {"userHandle": None}}, {"response": {"userHandle": ""}}):
        assert user_handle(response) is None
    with pytest.raises(InvalidResponse):
        user_handle({"response": {"userHandle": "!"}})


def test_a_credential_id_is_a_text_of_some_length() -> None:
    assert credential_id({"id": "AAAA"}) == "AAAA"
    assert [credential_id({"id": value}) for value in (None, 1, "", "A" * 1_365)] == [None] * 4


@given(st.binary(max_size=70))
def test_base64url_is_read_as_it_was_written(data: bytes) -> None:
    assert as_bytes(as_text(data)) == data
    assert as_bytes(as_text(data) + "=") == data
