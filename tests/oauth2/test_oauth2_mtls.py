"""Mutual TLS through a proxy's header: who the client is, and tokens bound to its certificate."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from oauth2_client_keys import Key
from oauth2_rig import CALLBACK, SECRET, START, VERIFIER, Rig, certificates_in, json_of, provider, verified

from ostiary.keys.resources import CertificateKeyPair
from ostiary.proto.jose import public_jwk
from ostiary.proto.oauth2.clients.certificate_header import certificate_thumbprint
from ostiary.providers.oauth2.client_authentication.mtls import subject_problem
from ostiary.web.response import Response

DN = "CN=client,OU=Robots,O=Example"
DAY = dt.timedelta(days=1)


def certificate(subject: str = DN, *, begins: int = -1, ends: int = 30) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name, start = x509.Name.from_rfc4514_string(subject), dt.datetime.fromtimestamp(START / 10**6, dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start + begins * DAY)
        .not_valid_after(start + ends * DAY)
        .sign(key, hashes.SHA256())
    )


def der(item: x509.Certificate) -> bytes:
    return item.public_bytes(Encoding.DER)


def rfc9440(item: x509.Certificate) -> str:
    return f":{base64.b64encode(der(item)).decode()}:"


def pem(item: x509.Certificate) -> str:
    return quote(item.public_bytes(Encoding.PEM).decode(), safe="")


def nginx(item: x509.Certificate) -> str:
    return quote(item.public_bytes(Encoding.PEM).decode(), safe="/+=")


def traefik(item: x509.Certificate) -> str:
    text = base64.b64encode(der(item)).decode()
    return f"{text},{text}"


@pytest.fixture
async def behind(rig: Rig) -> Rig:
    await rig.restart(**certificates_in("client-cert"))
    return rig


async def ask(rig: Rig, header: str | None, **form: str) -> Response:
    headers = {} if header is None else {"client-cert": header}
    form = {"grant_type": "client_credentials", "client_id": "wiki", "scope": "openid", **form}
    return await rig.call("POST", "/application/o/token/", form=form, headers=headers)


def denied(response: Response) -> bool:
    return response.status == 401 and json_of(response)["error"] == "invalid_client"


class TestSubject:
    @pytest.fixture
    def strict(self, behind: Rig) -> Rig:
        behind.change(provider(1, token_endpoint_auth_method="tls_client_auth", tls_client_auth_subject_dn=DN))
        return behind

    @pytest.mark.parametrize("form", [rfc9440, pem, nginx, traefik])
    async def test_every_spelling(self, strict: Rig, form: Any) -> None:
        response = await ask(strict, form(certificate()))
        assert response.status == 200, response.body

    @pytest.mark.parametrize(
        "subject",
        [
            "CN=client",
            "CN=client,OU=Robots,O=Example,C=DE",
            "CN=Client,OU=Robots,O=Example",
            "O=Example,OU=Robots,CN=client",
            "CN=x",
        ],
    )
    async def test_other_subjects(self, strict: Rig, subject: str) -> None:
        assert denied(await ask(strict, rfc9440(certificate(subject))))

    async def test_out_of_date(self, strict: Rig) -> None:
        assert denied(await ask(strict, rfc9440(certificate(ends=-1, begins=-2))))
        assert denied(await ask(strict, rfc9440(certificate(begins=1))))

    @pytest.mark.parametrize(
        "header", [None, "", ":", "::", ":AAAA:", "x", "%", "-----BEGIN CERTIFICATE-----", "x" * 20_000]
    )
    async def test_no_certificate(self, strict: Rig, header: str | None) -> None:
        assert denied(await ask(strict, header))

    async def test_the_authorities_of_the_brand(self, strict: Rig) -> None:
        brand = strict.brand
        mine, other = certificate(), certificate()  # each is its own authority
        data = mine.public_bytes(Encoding.PEM).decode()
        pair = strict.plane.snapshot.get(CertificateKeyPair, "key-ec")
        assert pair is not None
        pair = dataclasses.replace(pair, pk="ca", name="ca", certificate_data=data)
        strict.change(pair, dataclasses.replace(brand, client_certificates=("ca",)))
        assert (await ask(strict, rfc9440(mine))).status == 200
        assert denied(await ask(strict, rfc9440(other)))

    async def test_the_secret_does_not_help(self, strict: Rig) -> None:
        assert denied(await ask(strict, None, client_secret=SECRET))

    async def test_off_by_default(self, rig: Rig) -> None:
        rig.change(provider(1, token_endpoint_auth_method="tls_client_auth", tls_client_auth_subject_dn=DN))
        assert denied(await ask(rig, rfc9440(certificate())))

    async def test_an_empty_subject_is_nobodys(self, behind: Rig) -> None:
        behind.change(provider(1, token_endpoint_auth_method="tls_client_auth"))
        assert denied(await ask(behind, rfc9440(certificate())))


async def test_self_signed(behind: Rig) -> None:
    mine, other = certificate(), certificate()
    jwk = public_jwk(mine.public_key())  # type: ignore[arg-type]
    jwks = {"keys": [Key().jwk, jwk]}
    behind.change(provider(1, token_endpoint_auth_method="self_signed_tls_client_auth", jwks=jwks))
    assert (await ask(behind, rfc9440(mine))).status == 200
    assert denied(await ask(behind, rfc9440(other)))
    assert denied(await ask(behind, None))


class TestBound:
    async def test_tokens_are_bound(self, behind: Rig) -> None:
        behind.change(provider(1, tls_client_certificate_bound_access_tokens=True))
        mine = certificate()
        body = json_of(await ask(behind, pem(mine), client_secret=SECRET))
        assert body["token_type"] == "Bearer"
        claims = await verified(behind, body["access_token"])
        assert claims["cnf"] == {"x5t#S256": certificate_thumbprint(der(mine))}
        for header, status in ((pem(mine), 200), (rfc9440(certificate()), 401), ("", 401), (":?:", 401)):
            headers = {"authorization": f"Bearer {body['access_token']}", "client-cert": header}
            answer = await behind.call("GET", "/application/o/userinfo/", headers=headers)
            assert answer.status == status, header

    async def test_without_a_certificate_there_is_none(self, behind: Rig) -> None:
        behind.change(provider(1, tls_client_certificate_bound_access_tokens=True))
        response = await ask(behind, None, client_secret=SECRET)
        assert (response.status, json_of(response)["error"]) == (400, "invalid_request")

    async def test_refresh_tokens_of_public_clients(self, behind: Rig) -> None:
        behind.change(provider(1, client_type="public", tls_client_certificate_bound_access_tokens=True))
        await behind.browser.sign_in()
        mine, other = pem(certificate()), pem(certificate())
        form = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        tokens = json_of(await ask(behind, mine, **form, code=await behind.browser.code()))
        refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "scope": ""}
        assert json_of(await ask(behind, other, **refresh))["error"] == "invalid_grant"
        assert (await ask(behind, mine, **refresh)).status == 200


@pytest.mark.parametrize(
    ("text", "good"), [(DN, True), ("", False), ("nonsense", False), ("CN=", False), ("X=1", False)]
)
def test_subjects_are_checked_when_saved(text: str, good: bool) -> None:
    assert (subject_problem(text) is None) is good
