"""Every response type with every response mode, client authentication and algorithm that discovery offers.

What comes back is verified by joserfc with what the client was told, never by the program's own verifier.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast, get_args, get_type_hints
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, KeySetSerialization, OctKey
from oauth2_rig import (
    BASE,
    CALLBACK,
    SECOND,
    SECRET,
    VERIFIER,
    Rig,
    basic_header,
    certificates_in,
    json_of,
    posted,
    provider,
)

from ostiary.keys.resources import CertificateKeyPair
from ostiary.providers.oauth2.provider.definition import OAuth2Provider
from ostiary.seal import Secret
from ostiary.web.response import Response

CLIENT_KEY = ECKey.generate_key("P-256", {"kid": "client", "use": "sig"}, private=True)
CERTIFICATE_HEADER = "x-client-certificate"
GRANTS = ("authorization_code", "refresh_token", "implicit")
HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512, "DSA": hashlib.sha512}
TYPES = {"code", "id_token", "token", "id_token token", "code token", "code id_token", "code id_token token"}
MODES = {"query", "fragment", "form_post"}
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def literals(field: str) -> list[str]:
    """Return what an administrator may write in a field."""
    annotated = get_type_hints(OAuth2Provider, include_extras=True)[field]
    return [value for value in get_args(get_args(annotated)[0]) if value]


@functools.cache
def signing_pair(algorithm: str) -> CertificateKeyPair | None:
    """Return a key for an algorithm, with a certificate; None when the client secret signs."""
    match algorithm:
        case "HS256":
            return None
        case "EdDSA":
            key: Any = ed25519.Ed25519PrivateKey.generate()
        case "ES256" | "ES384" | "ES512":
            curve = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}[algorithm]
            key = ec.generate_private_key(curve)
        case _:
            key = _rsa()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    pk = f"matrix-{algorithm}"
    return CertificateKeyPair(pk=pk, name=pk, certificate_data=_certificate(key), key_data=Secret(pem))


@functools.cache
def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _certificate(key: Any) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "matrix")])
    start = datetime(2023, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=3650))
    signed = made.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


@dataclass
class Told:
    """What a client was told by discovery, and the keys it finds there."""

    document: dict[str, Any]
    keys: Any

    @classmethod
    async def read(cls, rig: Rig) -> Told:
        document = json_of(await rig.call("GET", "/application/o/wiki/.well-known/openid-configuration"))
        published = json_of(await rig.call("GET", urlsplit(document["jwks_uri"]).path))
        return cls(
            document,
            KeySet.import_key_set(cast("KeySetSerialization", published)) if published else OctKey.import_key(SECRET),
        )

    @property
    def algorithm(self) -> str:
        (algorithm,) = self.document["id_token_signing_alg_values_supported"]
        return str(algorithm)

    def offers(self) -> Iterator[tuple[str, str, str]]:
        names = ("response_types_supported", "response_modes_supported", "token_endpoint_auth_methods_supported")
        return itertools.product(*(self.document[name] for name in names))

    def claims(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that verifies."""
        return dict(jwt.decode(token, self.keys, algorithms=[self.algorithm]).claims)

    def half_hash(self, text: str) -> str:
        """Hash as OpenID Connect Core 3.1.3.6 and 3.3.2.11 want it."""
        digest = HASHES[self.algorithm[-3:]](text.encode()).digest()
        return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def delivered(response: Response, mode: str, told: Told) -> dict[str, Any]:
    """Take the answer from where its mode puts it; a signed one is verified and unpacked (JARM 2.1)."""
    name = mode.removesuffix(".jwt")
    if name == "form_post":
        assert response.status == 200, response.status
        answer: dict[str, Any] = posted(response)
    else:
        parts = urlsplit(response.header("location") or "")
        assert parts.netloc == urlsplit(CALLBACK).netloc, response.body
        answer = dict(parse_qsl(parts.fragment if name == "fragment" else parts.query, keep_blank_values=True))
        if name == "query":
            assert answer.pop("x") == "1", "the address's own query stays"
            assert not parts.fragment
    if mode.endswith("jwt"):
        assert answer.keys() == {"response"}, answer.keys()
        answer = told.claims(answer["response"])
        assert answer.pop("aud") == "wiki"
        assert answer.pop("exp") > 0
    return answer


def usual(mode: str, kind: str) -> str:
    """Spell out the mode that `jwt` stands for (JARM 2.3.4)."""
    if mode != "jwt":
        return mode
    return "query.jwt" if kind == "code" else "fragment.jwt"


def proof(rig: Rig, method: str, endpoint: str, number: int) -> tuple[dict[str, str], dict[str, str]]:
    """Return the headers and the form members by which the client proves itself."""
    now = rig.now // SECOND
    claims = {"iss": "wiki", "sub": "wiki", "aud": endpoint, "iat": now, "exp": now + 60, "jti": f"jti-{number}"}
    match method:
        case "none":
            return {}, {"client_id": "wiki"}
        case "client_secret_basic":
            return {"authorization": basic_header("wiki", SECRET)}, {}
        case "client_secret_post":
            return {}, {"client_id": "wiki", "client_secret": SECRET}
        case "client_secret_jwt":
            text = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET), algorithms=["HS256"])
        case "private_key_jwt":
            text = jwt.encode({"alg": "ES256", "kid": "client"}, claims, CLIENT_KEY, algorithms=["ES256"])
        case "tls_client_auth" | "self_signed_tls_client_auth":
            return {CERTIFICATE_HEADER: quote(_certificate(CLIENT_KEY.private_key), safe="")}, {"client_id": "wiki"}
        case _:
            raise AssertionError(f"discovery offers {method}, which this test does not know")
    return {}, {"client_assertion_type": ASSERTION, "client_assertion": text}


def check_front(answer: Mapping[str, Any], kind: str, told: Told) -> None:
    """Check what came through the browser: what was asked for and nothing else."""
    parts = set(kind.split(" "))
    expected = {"state", "iss"} | {"code" if part == "code" else part for part in parts - {"token"}}
    if "token" in parts:
        expected |= {"access_token", "token_type", "expires_in", "scope"}
    assert expected - {"scope"} <= answer.keys() <= expected | {"session_state"}, answer.keys()
    assert answer["state"] == "st"
    assert answer["iss"] == told.document["issuer"]
    if "token" in parts:
        assert answer["token_type"].lower() == "bearer"
        assert int(answer["expires_in"]) == 3600
    if "id_token" in parts:
        claims = check_identity(answer["id_token"], told)
        if "token" in parts:
            assert claims["at_hash"] == told.half_hash(answer["access_token"])
        if "code" in parts:
            assert claims["c_hash"] == told.half_hash(answer["code"])


def check_identity(token: str, told: Told) -> dict[str, Any]:
    header = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
    assert header["alg"] == told.algorithm
    claims = told.claims(token)
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (told.document["issuer"], "wiki", "no")
    assert claims["exp"] > claims["iat"]
    return claims


async def redeem(rig: Rig, answer: Mapping[str, Any], method: str, told: Told, number: int) -> str:
    """Redeem the code with the client's proof; return the access token."""
    endpoint = told.document["token_endpoint"]
    headers, members = proof(rig, method, endpoint, number)
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    response = await rig.call("POST", endpoint.removeprefix(BASE), form={**form, **members}, headers=headers)
    assert response.status == 200, response.body
    body = json_of(response)
    claims = check_identity(body["id_token"], told)
    assert claims["at_hash"] == told.half_hash(body["access_token"])
    if "id_token" in answer:
        first = told.claims(answer["id_token"])
        assert (claims["iss"], claims["sub"]) == (first["iss"], first["sub"]), "Core 3.3.3.6"
    return str(body["access_token"])


async def walk(rig: Rig, told: Told, combination: tuple[str, str, str], number: int) -> None:
    """Take one way from the authorization request to userinfo."""
    kind, mode, method = combination
    response = await rig.browser.authorize(response_type=kind, response_mode=mode, scope="openid email")
    if mode in {"query", "query.jwt"} and kind != "code":
        refusal = delivered(response, usual("fragment", kind), told)
        assert refusal["error"] == "invalid_request", "tokens are never put in a query"
        assert not refusal.keys() & {"code", "access_token", "id_token"}
        return
    answer = delivered(response, usual(mode, kind), told)
    assert "error" not in answer, answer
    check_front(answer, kind, told)
    tokens = [answer[name] for name in ("access_token",) if name in answer]
    if "code" in kind.split(" "):
        tokens.append(await redeem(rig, answer, method, told, number))
    for token in tokens:
        assert told.claims(token)["azp"] == "wiki"
        info = await rig.call("GET", "/application/o/userinfo/", headers={"authorization": f"Bearer {token}"})
        assert info.status == 200, info.headers
        assert json_of(info)["email"] == "ada@example.org"


def client_of(method: str) -> dict[str, Any]:
    """Return what an administrator sets for a client that proves itself in this way."""
    if method == "none":
        return {"client_type": "public"}
    client: dict[str, Any] = {"token_endpoint_auth_method": method}
    if method in {"private_key_jwt", "self_signed_tls_client_auth"}:
        client["jwks"] = {"keys": [CLIENT_KEY.as_dict(private=False)]}
    if method == "tls_client_auth":
        client["tls_client_auth_subject_dn"] = "CN=matrix"
    return client


def check_offer(document: Mapping[str, Any], method: str) -> None:
    """Check that nothing is left out which the administrator allowed: a short list would make the matrix small."""
    expected = ["client_secret_post", "client_secret_basic"] if method == "secret" else [method]
    assert sorted(document["token_endpoint_auth_methods_supported"]) == sorted(expected)
    assert set(document["response_types_supported"]) == TYPES
    assert set(document["response_modes_supported"]) == MODES | {f"{mode}.jwt" for mode in MODES} | {"jwt"}


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # RFC 9864 gave it a new name; clients know the old one
@pytest.mark.parametrize("method", [*literals("token_endpoint_auth_method"), "none"])
@pytest.mark.parametrize("algorithm", literals("signing_alg"))
async def test_every_way_that_discovery_offers(rig: Rig, algorithm: str, method: str) -> None:
    pair = signing_pair(algorithm)
    changed = provider(1, signing_alg=algorithm, signing_key=pair and pair.pk, grant_types=GRANTS, **client_of(method))
    rig.change(*([pair] if pair else []), changed)
    await rig.restart(**certificates_in(CERTIFICATE_HEADER))
    told = await Told.read(rig)
    assert told.algorithm == algorithm
    await rig.browser.sign_in()
    check_offer(told.document, method)
    failed = {}
    offers = list(told.offers())
    for number, combination in enumerate(offers):
        try:
            await walk(rig, told, combination, number)
        except Exception as error:
            failed[combination] = f"{type(error).__name__}: {error}"
    assert not failed, (
        f"{len(failed)} of {len(offers)}: {json.dumps({' | '.join(k): v for k, v in failed.items()}, indent=1)}"
    )


async def test_what_discovery_does_not_offer_is_refused(rig: Rig) -> None:
    told = await Told.read(rig)
    await rig.browser.sign_in()
    offered = set(told.document["response_types_supported"])
    assert offered == {"code"}, "the others need the grant implicit"
    for kind in TYPES - offered:
        answer = delivered(await rig.browser.authorize(response_type=kind), "fragment", told)
        assert answer["error"] in {"unauthorized_client", "unsupported_response_type"}, kind
        assert not answer.keys() & {"code", "access_token", "id_token"}
