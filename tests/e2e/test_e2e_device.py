"""A device and a program at a running server: the pages of /device without JavaScript, and mutual TLS by header."""

from __future__ import annotations

import pytest
from e2e_devices import PASSWORD, Pages, with_device_flow
from live import Make, Person, Server, client

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
ENTRIES = """
  - model: authentik_providers_oauth2.oauth2provider
    id: provider
    identifiers: {name: Television}
    attrs:
      authorization_flow: !Find [authentik_flows.flow, [slug, default-provider-authorization-implicit-consent]]
      invalidation_flow: !Find [authentik_flows.flow, [slug, default-provider-invalidation-flow]]
      client_type: public
      client_id: television
      access_code_validity: minutes=10
      redirect_uris: []
      signing_key: !Find [authentik_crypto.certificatekeypair, [name, authentik Self-signed Certificate]]
      property_mappings:
        - !Find [authentik_providers_oauth2.scopemapping, [scope_name, openid]]
        - !Find [authentik_providers_oauth2.scopemapping, [scope_name, profile]]
  - model: authentik_core.application
    identifiers: {slug: television}
    attrs: {name: Television, provider: !KeyOf provider}
"""


@pytest.fixture(scope="module")
def devices(server: Server) -> Server:
    return with_device_flow(server, "television", ENTRIES)


def test_a_television(devices: Server) -> None:
    device = client()
    url = f"{devices.url}/application/o"
    codes = device.post(f"{url}/device/", data={"client_id": "television", "scope": "openid profile"}).json()
    form = {"client_id": "television", "grant_type": DEVICE, "device_code": codes["device_code"]}
    assert device.post(f"{url}/token/", data=form).json()["error"] == "authorization_pending"

    person = Person(devices.url, "ada", PASSWORD)
    person.get(f"{devices.url}/if/user/")
    pages = Pages(person)
    person.client.headers["accept-language"] = "de"
    page = pages.get(codes["verification_uri_complete"])
    assert codes["user_code"] in page
    assert "Zeigt Ihr Gerät genau diesen Code?" in page
    assert "Kein Gerät wartet" in pages.send(page, code="100000000")
    page = pages.send(pages.get("/device"), code=codes["user_code"])
    assert "Television möchte Sie auf einem anderen Gerät anmelden." in page, page
    page = pages.send(page)
    assert "Ihr Gerät ist angemeldet" in page

    tokens = device.post(f"{url}/token/", data=form).json()
    assert tokens.get("access_token"), tokens
    info = device.get(f"{url}/userinfo/", headers={"authorization": f"Bearer {tokens['access_token']}"}).json()
    assert info["preferred_username"] == "ada"
    assert device.post(f"{url}/token/", data=form).json()["error"] == "invalid_grant"


def test_the_page_is_not_there_without_a_flow(make_server: Make) -> None:
    server = make_server().start()
    assert client().get(f"{server.url}/device").status_code == 404
