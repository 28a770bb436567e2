"""The page for a person without access to an application: at launch and at the device flow, on a running server."""

from __future__ import annotations

import html
import re
from urllib.parse import urljoin

import pytest
from e2e_devices import PASSWORD, Pages, with_device_flow
from live import Person, Server, client

ENTRIES = """
  - model: authentik_providers_oauth2.oauth2provider
    id: provider
    identifiers: {name: Cinema}
    attrs:
      authorization_flow: !Find [authentik_flows.flow, [slug, default-provider-authorization-implicit-consent]]
      invalidation_flow: !Find [authentik_flows.flow, [slug, default-provider-invalidation-flow]]
      client_type: public
      client_id: cinema
      redirect_uris: []
      signing_key: !Find [authentik_crypto.certificatekeypair, [name, authentik Self-signed Certificate]]
  - model: authentik_core.application
    id: app
    identifiers: {slug: cinema}
    attrs: {name: Home Cinema, provider: !KeyOf provider, meta_launch_url: "https://cinema.example/for/%(username)s"}
  - model: authentik_policies.policybinding
    identifiers: {target: !KeyOf app, order: 0}
    attrs: {group: !Find [authentik_core.group, [name, apache-people]]}
"""


@pytest.fixture(scope="module")
def house(server: Server) -> Server:
    return with_device_flow(server, "cinema", ENTRIES)


def refusal(page: str) -> str:
    """Assert that the page names application and account; return where somebody else signs in."""
    assert "<dd>Home Cinema</dd>" in page
    assert "<dd>eve</dd>" in page
    found = re.search(r'<a class="button" href="([^"]+)">Sign in as somebody else</a>', page)
    assert found is not None, page
    return html.unescape(found[1])


def test_at_launch(house: Server) -> None:
    person = Person(house.url, "eve", PASSWORD)
    launch = f"{house.url}/application/launch/cinema/"
    answer = person.get(launch)
    another = refusal(answer.text)
    person.username = "ada"
    seen = len(person.seen)
    led = person.get(urljoin(launch, another), stop="https://cinema.example/")
    assert led.headers["location"] == "https://cinema.example/for/ada"
    assert "ak-stage-password" in person.seen[seen:]
    assert person.get(launch, stop="https://cinema.example/").is_redirect, "it is the other person's session now"


def test_who_turns_back_at_launch_stays_who_they_are(house: Server) -> None:
    person = Person(house.url, "eve", PASSWORD)
    launch = f"{house.url}/application/launch/cinema/"
    another = refusal(person.get(launch).text)
    begun = person.client.get(urljoin(launch, another))
    assert "/if/flow/default-authentication-flow/" in begun.headers["location"]
    assert "Home Cinema" in person.client.get(urljoin(launch, begun.headers["location"])).text
    refusal(person.client.get(launch).text)


def test_at_the_device_flow(house: Server) -> None:
    begun = client().post(f"{house.url}/application/o/device/", data={"client_id": "cinema", "scope": "openid"}).json()
    person = Person(house.url, "eve", PASSWORD)
    person.get(f"{house.url}/if/user/")
    pages = Pages(person)
    another = refusal(pages.send(pages.get(begun["verification_uri_complete"]), code=begun["user_code"]))
    assert person.client.get(urljoin(house.url, another)).headers["location"].startswith("/if/flow/")
