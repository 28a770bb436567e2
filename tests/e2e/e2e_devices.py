"""What tests of devices share: the brand's flow for their codes, and a browser without JavaScript at its pages."""

from __future__ import annotations

import html
import re
from urllib.parse import urljoin

import httpx2 as httpx
from live import Person, Server, client
from support.waiting import wait_until

PASSWORD = "correct horse battery"
_FLOW = """
version: 1
metadata: {name: NAME}
entries:
  - model: authentik_flows.flow
    id: flow
    identifiers: {slug: device-code}
    attrs: {name: Device, title: Device, designation: stage_configuration, authentication: require_authenticated}
  - model: authentik_brands.brand
    identifiers: {domain: authentik-default}
    attrs: {flow_device_code: !KeyOf flow}
"""


def with_device_flow(server: Server, slug: str, entries: str) -> Server:
    """Give the brand its flow for devices, and apply these entries, which make the application of that slug."""
    path = server.folder / f"{slug}.yaml"
    path.write_text(_FLOW.replace("NAME", slug) + entries.lstrip("\n"))
    server.cli("blueprint", "apply", str(path))
    # protocols may lag behind the configuration by a second
    wait_until(lambda: client().get(f"{server.url}/application/o/{slug}/jwks/").status_code == 200)
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
