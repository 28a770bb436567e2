"""The edges of the parsers: values that few clients send, and what is said of them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Literal

import pytest

from ostiary.proto.jose import SigningKey
from ostiary.proto.oauth2.authorization.claims_request import parse_claims
from ostiary.proto.oauth2.authorization.redirect import origins, sectors
from ostiary.proto.oauth2.authorization.request import grant_resources, parse_request
from ostiary.proto.oauth2.authorization.request_object import read_object
from ostiary.proto.oauth2.authorization.response import ResponseTarget, parse_mode, response_pairs
from ostiary.proto.oauth2.clients.assertion import LEEWAY, verify_assertion
from ostiary.proto.oauth2.clients.authentication import parse_client
from ostiary.proto.oauth2.clients.certificate_header import (
    BadCertificateHeader,
    certificate_thumbprint,
    read_certificate_header,
)
from ostiary.proto.oauth2.clients.statement import (
    MAX_LENGTH,
    BadStatement,
    SignedStatement,
    read_statement,
    unverified_header,
)
from ostiary.proto.oauth2.device_authorization import DeviceAuthorizationResponse, parse_device_request
from ostiary.proto.oauth2.errors import INVALID_SCOPE, OAuthError
from ostiary.proto.oauth2.parameters import read_parameters
from ostiary.proto.oauth2.token import TokenResponse, narrow_resources

NOW = 1_700_000_000_000_000
SECONDS = NOW // 1_000_000
BASE = {"response_type": "code", "client_id": "a"}


@dataclass(frozen=True)
class Entry:
    url: str
    matching_mode: Literal["strict", "regex"]


def code_of(raised: pytest.ExceptionInfo[OAuthError]) -> str:
    return raised.value.code


def test_a_claim_without_values_accepts_any() -> None:
    asked = parse_claims('{"id_token": {"acr": {"essential": true}, "sub": {"value": "1"}}}')
    assert asked is not None
    acr, sub = asked.find("id_token", "acr"), asked.find("id_token", "sub")
    assert acr is not None
    assert sub is not None
    assert acr.accepts("anything")
    assert [sub.accepts(value) for value in ("1", 1, True, "2")] == [True, False, False, False]


def test_only_strict_entries_have_an_origin() -> None:
    entries = [
        Entry("https://a.example/cb", "strict"),
        Entry("https://.*", "regex"),
        Entry("app:/cb", "strict"),
        Entry("https://[::1]:8443/cb", "strict"),
    ]
    assert origins(entries) == {"https://a.example", "https://[::1]:8443"}
    assert sectors(["https://a.example/x", "https://a.example/y", "https://[", "app:/x"]) == ("a.example", "")


def test_resources_are_granted_where_they_are_known() -> None:
    known = ("https://api.example/", "https://other.example/")
    assert grant_resources(("https://api.example/",), ()) == ()
    assert grant_resources(("https://api.example/",), known) == ("https://api.example/",)
    for asked in (("https://unknown.example/",), ("https://api.example/#f",), ("x",), known * 40):
        with pytest.raises(OAuthError) as raised:
            grant_resources(asked, known)
        assert code_of(raised) == "invalid_target"


def test_resources_of_a_token_request_are_among_those_granted() -> None:
    known = ("https://api.example/",)
    assert narrow_resources(("x",), (), known=()) is None
    assert narrow_resources((), known, known=known) is None
    assert narrow_resources(known, known, known=known) == known
    with pytest.raises(OAuthError) as raised:
        narrow_resources(("https://other.example/",), known, known=known)
    assert code_of(raised) == "invalid_target"


@pytest.mark.parametrize(
    "more",
    [{"display": "hologram"}, {"dpop_jkt": "short"}, {"dpop_jkt": "x" * 44}, {"max_age": "-1"}, {"max_age": "x"}],
)
def test_members_of_a_request_that_are_refused(more: dict[str, str]) -> None:
    with pytest.raises(OAuthError) as raised:
        parse_request(read_parameters({**BASE, **more}.items()))
    assert code_of(raised) == "invalid_request"


def test_members_of_a_request_that_are_taken() -> None:
    found = parse_request(read_parameters({**BASE, "display": "popup", "dpop_jkt": "a" * 43, "max_age": "0"}.items()))
    assert (found.display, found.dpop_jkt, found.max_age) == ("popup", "a" * 43, 0)


def test_a_form_is_posted_to_the_web_alone() -> None:
    for redirect_uri in ("https://a.example/", "HTTP://a.example/"):
        assert parse_mode("form_post", frozenset({"code"}), redirect_uri) == ("form_post", False)
    with pytest.raises(OAuthError) as raised:
        parse_mode("form_post", frozenset({"code"}), "app:/cb")
    assert code_of(raised) == "invalid_request"


def test_a10_an_answer_names_its_issuer_beside_its_members_unless_it_is_signed() -> None:
    plain, signed = (ResponseTarget("https://a.example/", "query", "s", signed) for signed in (False, True))
    assert response_pairs(plain, [("code", "c")], issuer="i") == [("code", "c"), ("state", "s"), ("iss", "i")]
    assert response_pairs(signed, [("code", "c")], issuer="i") == [("code", "c"), ("state", "s")]
    stateless = ResponseTarget("https://a.example/", "query", None)
    assert response_pairs(stateless, [("code", "c")], issuer="i") == [("code", "c"), ("iss", "i")]


def assertion(**claims: object) -> SignedStatement:
    good: dict[str, object] = {"iss": "a", "sub": "a", "aud": "https://id.example", "exp": SECONDS + 60, "jti": "j"}
    return SignedStatement({}, {**good, **claims})


def test_an_assertion_is_good_until_its_end_and_the_leeway() -> None:
    found = verify_assertion(assertion(), client_id="a", audiences=["https://id.example"], now=NOW)
    assert (found.jti, found.expires) == ("j", NOW + (60 + LEEWAY) * 1_000_000)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "b"},
        {"sub": "b"},
        {"aud": "https://other.example"},
        {"aud": None},
        {"aud": "https://id.example, https://other.example"},
        {"jti": None},
        {"exp": SECONDS + 10**6},
        {"exp": None},
        {"exp": SECONDS - LEEWAY},
        {"nbf": SECONDS + LEEWAY + 1},
        {"iat": SECONDS + LEEWAY + 1},
    ],
)
def test_assertions_of_others_and_for_others(claims: dict[str, object]) -> None:
    with pytest.raises(BadStatement):
        verify_assertion(assertion(**claims), client_id="a", audiences=["https://id.example"], now=NOW)


BASIC = "Basic " + base64.b64encode(b"a:s").decode()


@pytest.mark.parametrize(
    ("authorization", "form", "error"),
    [
        (BASIC, {"client_secret": "s"}, "invalid_request"),
        (BASIC, {"client_assertion": "x"}, "invalid_request"),
        (None, {"client_id": "a", "client_secret": "s", "client_assertion": "x"}, "invalid_request"),
        (BASIC, {"client_id": "b"}, "invalid_request"),
        (None, {"client_id": "a", "client_assertion_type": "x", "client_assertion": "y"}, "invalid_client"),
    ],
)
def test_clients_that_say_two_things(authorization: str | None, form: dict[str, str], error: str) -> None:
    with pytest.raises(OAuthError) as raised:
        parse_client(authorization, read_parameters(form.items()))
    assert code_of(raised) == error


def test_an_assertion_without_a_name_names_its_subject() -> None:
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    claims = base64.urlsafe_b64encode(b'{"sub": "a"}').rstrip(b"=").decode()
    sent = {"client_assertion_type": kind, "client_assertion": f"e30.{claims}.AA"}
    assert parse_client(None, read_parameters(sent.items())).client_id == "a"
    for text in (None, "e30.e30.AA", "x"):
        wrong = {"client_assertion_type": kind, **({} if text is None else {"client_assertion": text})}
        with pytest.raises(OAuthError) as raised:
            parse_client(None, read_parameters(wrong.items()))
        assert code_of(raised) == "invalid_client"


def test_certificates_that_no_proxy_writes() -> None:
    assert read_certificate_header("  ") is None
    for text in ("A" * 100_000, "::", ":!:", "%00"):
        with pytest.raises(BadCertificateHeader):
            read_certificate_header(text)


def test_a_thumbprint_of_a_certificate() -> None:
    assert certificate_thumbprint(b"") == "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"  # SHA-256 of nothing


@pytest.mark.parametrize("reading", [unverified_header, lambda text: read_statement(text, [])])
def test_a_statement_has_a_size(reading: object) -> None:
    with pytest.raises(BadStatement, match="too long"):
        reading("a" * (MAX_LENGTH + 1))  # type: ignore[operator]


def test_a_time_is_a_number_within_bounds() -> None:
    for value in (True, "1", 1e300, -1e300):
        with pytest.raises(BadStatement, match="not a time"):
            SignedStatement({}, {"exp": value}).seconds("exp")


def test_what_a_device_asks_for_and_gets() -> None:
    assert parse_device_request(read_parameters([("scope", "openid email")])) == ("openid", "email")
    answer = DeviceAuthorizationResponse("d", "123456789", "https://id.example/device", expires_in=60, interval=5)
    assert answer.body() == {
        "device_code": "d",
        "user_code": "123456789",
        "verification_uri": "https://id.example/device",
        "verification_uri_complete": "https://id.example/device?code=123456789",
        "expires_in": 60,
        "interval": 5,
    }


def test_an_error_has_the_members_of_the_specification() -> None:
    assert OAuthError(INVALID_SCOPE, "for the log").body() == {
        "error": "invalid_scope",
        "error_description": OAuthError(INVALID_SCOPE).description,
    }


def test_an_answer_without_scope_has_no_scope() -> None:
    assert "scope" not in TokenResponse("a", 60, (), None, None).body()
    assert TokenResponse("a", 60, ("x", "y"), "i", "r").body() == {
        "access_token": "a",
        "token_type": "Bearer",
        "expires_in": 60,
        "scope": "x y",
        "id_token": "i",
        "refresh_token": "r",
    }


def test_a_number_without_end_is_no_parameter() -> None:
    token = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (
        b'{"alg":"HS256"}', b'{"client_id":"a","max_age":' + b"1" * 5000 + b"}",
    ))  # fmt: skip
    key = SigningKey(b"k" * 32)
    signature = base64.urlsafe_b64encode(key.signature(token.encode())).rstrip(b"=").decode()
    with pytest.raises(OAuthError) as raised:
        read_object(f"{token}.{signature}", [key.verifying()], client_id="a", audiences=(), now=NOW)
    assert code_of(raised) == "invalid_request_object"
