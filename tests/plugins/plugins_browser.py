"""One browser that walks through pages as a person does, and the house with the application it opens."""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "attacks")]

from attacks_house import LOGIN, PASSWORD, Answer, House  # noqa: E402 - the folder is on the path now
from garden.room import ROOM as GARDEN  # noqa: E402

from ostiary.app.core import clock, open_core  # noqa: E402
from ostiary.app.metrics import Metrics  # noqa: E402
from ostiary.app.rooms import ROOMS  # noqa: E402
from ostiary.app.site import build_site  # noqa: E402
from ostiary.blueprints.service import apply_paths  # noqa: E402
from ostiary.settings.load import load  # noqa: E402

__all__ = ["BEGIN", "BLUEPRINT", "LOGIN", "PASSWORD", "Browser", "open_browser"]

BEGIN = "/ticket/?application=notes"
FIELD = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)"')
ACTION = re.compile(r'<form method="post" action="([^"]*)"')
REFRESH = re.compile(r'http-equiv="refresh" content="0; url=([^"]*)"')
BLUEPRINT = """\
version: 1
metadata: {name: notes}
entries:
  - model: garden.ticketmapping
    id: who
    identifiers: {name: who}
    attrs: {expression: return request.user.username, parameter: who}
  - model: garden.ticketmapping
    id: how
    identifiers: {name: how}
    attrs: {expression: "return 'x' * 3", parameter: how}
  - model: garden.ticketprovider
    id: provider
    identifiers: {name: Tickets}
    attrs:
      address: https://notes.example.org/in
      authorization_flow: !Find [authentik_flows.flow, [slug, default-provider-authorization-explicit-consent]]
      invalidation_flow: !Find [authentik_flows.flow, [slug, default-provider-invalidation-flow]]
      property_mappings: [!KeyOf who, !KeyOf how]
  - model: authentik_core.application
    identifiers: {slug: notes}
    attrs: {name: Notes, provider: !KeyOf provider}
"""


@dataclass
class Browser:
    """One browser, page after page."""

    house: House
    page: Answer = field(default_factory=lambda: Answer(0, [], b""))

    async def get(self, url: str) -> str:
        """Follow redirects, and pages that lead on, to a page; return its path, or the first address not of ours."""
        self.page = await self.house.call("GET", url)
        return await self.follow(url)

    async def follow(self, url: str) -> str:
        onward = REFRESH.search(self.page.body.decode())
        to = self.page.header("location") or (html.unescape(onward[1]) if onward is not None else None)
        if to is None:
            return url.partition("?")[0]
        return await self.get(to) if to.startswith("/") else to

    async def post(self, **typed: str) -> str:
        """Fill in the form of the page; return where it leads."""
        text = self.page.body.decode()
        action = ACTION.search(text)
        assert action is not None, text
        hidden = {html.unescape(name): html.unescape(value) for name, value in FIELD.findall(text)}
        url = html.unescape(action[1])
        self.page = await self.house.call("POST", url, form={**hidden, **typed})
        return await self.follow(url)

    async def sign_in(self) -> str:
        assert await self.get(BEGIN) == f"/if/flow/{LOGIN}/"
        await self.post(uid_field="ada")
        return await self.post(password=PASSWORD)

    async def tickets(self) -> Sequence[str]:
        """Return the tickets that were stored."""
        rows = await self.house.core.database.fetch("SELECT context FROM event WHERE app = 'ticket'")
        return [found for row in rows for found in re.findall(r'"id": ?"([0-9a-f]+)"', str(row["context"]))]


async def open_browser(folder: Path) -> Browser:
    """Return a browser at an installation with the person ada and the application notes."""
    settings = load({"OSTIARY_DATA_DIR": str(folder / "data"), "OSTIARY_HOSTS": "id.example.org"})
    core = await open_core(settings, environ={}, create=True, rooms=(*ROOMS, GARDEN))
    metrics = Metrics(version="test")
    opened = House(core, build_site(core, metrics), metrics)
    await opened.user("ada")
    blueprint = folder / "notes.yaml"
    blueprint.write_text(BLUEPRINT)
    report = await apply_paths(
        [blueprint], editor=core.editor, registry=core.registry, environ={}, author="test", now=clock()
    )
    assert report.ok, report
    return Browser(opened)
