"""The conformance fixture over TLS: what a suite that speaks only https meets, and certificates that change."""

from __future__ import annotations

import base64
import json
import ssl
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2 as httpx
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from live import Person, Server
from support.ports import free_port
from support.waiting import wait_until

from ostiary.keys.certificate import generate_self_signed

FIXTURE = Path(__file__).parent.parent / "oauth2" / "conformance.yaml"
CALLBACK = "https://localhost:8443/test/a/ostiary/callback"
CLIENT = ("4e5a9d0c0a6b4f2f9e3d6a1b7c8d9e0f", "conformance-secret-1-0123456789abcdef0123456789abcdef")
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tls")
    server = Server(folder, {"OSTIARY_LISTEN__HTTPS": f"127.0.0.1:{free_port()}"}).start()
    server.cli("blueprint", "apply", str(FIXTURE))
    server.add_user("ada", PASSWORD)
    yield server
    server.stop()


def port(server: Server) -> int:
    return int(server.environ["OSTIARY_LISTEN__HTTPS"].rpartition(":")[2])


def insecure() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def shown_name(server: Server, host: str | None) -> str:
    """The common name of the certificate that answers for a host."""
    import socket

    with (
        socket.create_connection(("127.0.0.1", port(server)), timeout=5) as raw,
        insecure().wrap_socket(raw, server_hostname=host) as connection,
    ):
        der = connection.getpeercert(binary_form=True)
    assert der is not None
    found = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value)


def brand(server: Server, domain: str, name: str, *, default: bool = False) -> None:
    """Give a brand a certificate of that name, by a blueprint."""
    made = generate_self_signed(name, name, key_type="ec-p256", now=time.time_ns() // 1000, validity=timedelta(days=2))
    entries = [
        {
            "model": "authentik_crypto.certificatekeypair",
            "id": "pair",
            "identifiers": {"name": f"web {domain}"},
            "attrs": {"certificate_data": made.certificate_data, "key_data": made.key_data.reveal()},
        },
        {
            "model": "authentik_brands.brand",
            "identifiers": {"domain": domain},
            "attrs": {"default": default, "web_certificate": "@KEY@"},
        },
    ]
    text = json.dumps({"version": 1, "metadata": {"name": f"tls {domain}"}, "entries": entries})
    path = server.folder / f"{domain}.yaml"
    path.write_text(text.replace('"@KEY@"', "!KeyOf pair"))
    server.cli("blueprint", "apply", str(path))


def test_the_suite_signs_in_over_https(secure: Server) -> None:
    base = f"https://localhost:{port(secure)}"
    with httpx.Client(verify=insecure(), timeout=20) as client:
        document = client.get(f"{base}/application/o/conformance-1/.well-known/openid-configuration").json()
        assert document["issuer"] == f"{base}/"
        assert {"address", "phone", "profile", "email", "openid"} <= set(document["scopes_supported"])
        person = Person(base, "ada", PASSWORD, client=client)
        query = {
            "client_id": CLIENT[0],
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid profile email address phone",
            "state": "s",
            "nonce": "n",
        }
        back = person.get(f"{document['authorization_endpoint']}?{urlencode(query)}", stop=CALLBACK)
        answer = parse_qs(urlsplit(back.headers["location"]).query)
        assert answer["iss"] == [f"{base}/"]
        assert "." in answer["session_state"][0]
        form = {"grant_type": "authorization_code", "code": answer["code"][0], "redirect_uri": CALLBACK}
        tokens = client.post(document["token_endpoint"], data=form, auth=CLIENT).json()
        payload = tokens["id_token"].split(".")[1]
        identity = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        assert (identity["iss"], identity["aud"], identity["nonce"]) == (f"{base}/", CLIENT[0], "n")
        headers = {"authorization": f"Bearer {tokens['access_token']}"}
        claims = client.get(document["userinfo_endpoint"], headers=headers).json()
    assert claims["sub"] == identity["sub"]
    assert claims["address"] == {"formatted": "1 Door Street\n12345 Porta", "postal_code": "12345"}
    assert (claims["phone_number"], claims["phone_number_verified"]) == ("+1 555 0100", False)
    assert (claims["preferred_username"], claims["birthdate"], claims["groups"]) == ("ada", "0000-01-01", [])
    assert {cookie.name for cookie in client.cookies.jar if cookie.secure} >= {"authentik_session"}


def test_both_clients_are_served_and_applying_again_changes_nothing(secure: Server) -> None:
    for slug in ("conformance-1", "conformance-2"):
        answer = httpx.get(f"{secure.url}/application/o/{slug}/.well-known/openid-configuration")
        document = answer.json()
        assert document["issuer"] == f"{secure.url}/"
        assert ("id_token token" in document["response_types_supported"]) == (slug == "conformance-2")
    assert "no changes" in secure.cli("blueprint", "check", str(FIXTURE)).stdout
    assert not httpx.get(f"{secure.url}/-/health/live/").headers.get("strict-transport-security")


def test_certificates_by_name_reloaded_without_dropping_anybody(secure: Server) -> None:
    assert shown_name(secure, "localhost") == "ostiary.internal", "the pair every installation has"
    with httpx.Client(verify=insecure(), timeout=20) as client:
        ready = f"https://localhost:{port(secure)}/-/health/ready/"
        assert client.get(ready).status_code == 200
        brand(secure, "one.example.org", "first")
        wait_until(lambda: shown_name(secure, "deep.one.example.org") == "first")
        brand(secure, "one.example.org", "second")
        wait_until(lambda: shown_name(secure, "one.example.org") == "second")
        assert shown_name(secure, "other.example.org") == "ostiary.internal"
        assert shown_name(secure, None) == "ostiary.internal"
        assert client.get(ready).status_code == 200, "the same connection goes on"


def test_old_protocols_are_refused(secure: Server) -> None:
    import socket
    import warnings

    context = insecure()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", port(secure)), timeout=5) as raw, pytest.raises(ssl.SSLError):
        context.wrap_socket(raw, server_hostname="localhost")
