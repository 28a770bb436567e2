"""A device and a program at a running server: the pages of /device without JavaScript, and mutual TLS by header."""

from __future__ import annotations

import html
import re
from urllib.parse import urljoin

import httpx2 as httpx
import pytest
from live import Person, Server, client
from support.waiting import wait_until

PASSWORD = "correct horse battery"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
BLUEPRINT = """
version: 1
metadata: {name: Devices}
entries:
  - model: authentik_flows.flow
    id: flow
    identifiers: {slug: device-code}
    attrs: {name: Device, title: Device, designation: stage_configuration, authentication: require_authenticated}
  - model: authentik_brands.brand
    identifiers: {domain: authentik-default}
    attrs: {flow_device_code: !KeyOf flow}
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
    path = server.folder / "devices.yaml"
    path.write_text(BLUEPRINT)
    server.cli("blueprint", "apply", str(path))
    # protocols may lag behind the configuration by a second
    wait_until(lambda: client().get(f"{server.url}/application/o/television/jwks/").status_code == 200)
    return server


class Pages:
    """A browser without JavaScript: it follows redirects and the page's link, and sends forms."""

    def __init__(self, person: Person) -> None:
        self.base, self.client = person.base, person.client

    def get(self, url: str) -> str:
        return self.follow(self.client.get(urljoin(self.base, url)))

    def follow(self, answer: httpx.Response) -> str:
        """Go where an answer leads, by redirect or by a page, and return the page there."""
        for _ in range(15):
            onward = re.search(r'<meta http-equiv="refresh" content="0; url=([^"]+)"', answer.text)
            if answer.is_redirect:
                url = answer.headers["location"]
            elif onward is not None:
                url = html.unescape(onward[1])
            else:
                assert answer.status_code == 200, answer.text
                self.url = str(answer.url)
                return answer.text
            answer = self.client.get(urljoin(str(answer.url), url))
        raise AssertionError("too many hops")

    def send(self, page: str, **fields: str) -> str:
        found = re.search(r'<form method="post" action="([^"]+)"', page)
        assert found, page
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
        form = {**{name: html.unescape(value) for name, value in hidden.items()}, **fields}
        answer = self.client.post(
            urljoin(self.base, html.unescape(found[1])),
            data=form,
            headers={"origin": self.base, "sec-fetch-site": "same-origin"},
        )
        return self.follow(answer)


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


def test_the_page_is_not_there_without_a_flow(make_server: object) -> None:
    server: Server = make_server().start()  # type: ignore[operator]
    assert client().get(f"{server.url}/device").status_code == 404
