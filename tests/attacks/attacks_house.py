"""The whole program in this process: everything that answers requests, as `serve` builds it, without a socket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from support.program import ask, take_cookies

from ostiary.app.core import Core, clock, open_core
from ostiary.app.metrics import Metrics
from ostiary.app.site import Built, build_site
from ostiary.seal import Secret
from ostiary.settings.load import load
from ostiary.store.workspace.editor import Workspace

PASSWORD = "correct horse battery"
CALLBACK = "https://app.example.org/cb"
CLIENT_SECRET = "a secret of the application, long enough"
LOGIN = "default-authentication-flow"


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class House:
    """The program, and one browser."""

    core: Core
    built: Built
    metrics: Metrics
    cookies: dict[str, str] = field(default_factory=dict)

    async def close(self) -> None:
        await self.core.close()

    async def call(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        client: str = "192.0.2.7",
        host: str = "id.example.org",
    ) -> Answer:
        """Send a request through the site: limits, proxies, hosts, errors and all."""
        sent = dict(headers or {})
        content = b""
        if self.cookies:
            sent.setdefault("cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
        if form is not None:
            content = urlencode(form, quote_via=quote).encode()
            sent.setdefault("content-type", "application/x-www-form-urlencoded")
        elif isinstance(body, bytes):
            content = body
        elif body is not None:
            content = json.dumps(body).encode()
            sent.setdefault("content-type", "application/json")
        response = await ask(
            self.built.site, method, url, headers=sent, body=content, scheme="http", host=host, client=client
        )
        take_cookies(self.cookies, response)
        return Answer(response.status, response.headers, response.body)

    def another_browser(self) -> House:
        return House(self.core, self.built, self.metrics)

    async def flow(self, slug: str = LOGIN, query: str = "", **how: Any) -> Any:
        """Show the current challenge of a flow."""
        answer = await self.call("GET", executor(slug, query), **how)
        while answer.status == 302:
            answer = await self.call("GET", executor(slug, query), **how)
        return answer.json()

    async def reply(self, slug: str = LOGIN, query: str = "", **answer: Any) -> Answer:
        """Answer the current challenge."""
        return await self.call("POST", executor(slug, query), body=answer)

    async def sign_in(self, name: str, password: str = PASSWORD) -> Any:
        """Sign in through the shipped flow; return the last challenge."""
        await self.flow()
        await self.reply(component="ak-stage-identification", uid_field=name)
        challenge = await self.flow()
        if challenge["component"] == "ak-stage-password":
            await self.reply(component="ak-stage-password", password=password)
        return await self.flow()

    async def user(self, name: str, password: str = PASSWORD) -> int:
        made = await self.core.accounts.create(
            name, email=f"{name}@example.org", password=Secret(password), now=clock()
        )
        return int(made.pk)

    async def edit(self, kind: str, pk: str | int, **values: object) -> None:
        async def work(workspace: Workspace) -> None:
            found = await workspace.get(kind, pk)
            assert found is not None
            await workspace.update(found, values)

        await self.core.editor.edit(work, author="test", message="", now=clock())

    async def application(self, slug: str = "wiki", **values: object) -> int:
        """Make a provider with the shipped scopes, and its application; return the provider's number."""

        async def work(workspace: Workspace) -> int:
            async def pk(kind: str, name: str, value: str) -> Any:
                found = await workspace.find(kind, [(name, value)])
                assert found is not None, value
                return found.pk

            made = await workspace.create(
                "authentik_providers_oauth2.oauth2provider",
                {
                    "name": slug,
                    "client_id": slug,
                    "client_secret": Secret(CLIENT_SECRET),
                    "redirect_uris": [{"matching_mode": "strict", "url": CALLBACK}],
                    "authorization_flow": await pk(
                        "authentik_flows.flow", "slug", "default-provider-authorization-implicit-consent"
                    ),
                    "invalidation_flow": await pk("authentik_flows.flow", "slug", "default-provider-invalidation-flow"),
                    "signing_key": await pk(
                        "authentik_crypto.certificatekeypair", "name", "authentik Self-signed Certificate"
                    ),
                    "property_mappings": [
                        await pk("authentik_providers_oauth2.scopemapping", "scope_name", name)
                        for name in ("openid", "email", "profile", "offline_access")
                    ],
                    **values,
                },
            )
            await workspace.create("authentik_core.application", {"name": slug, "slug": slug, "provider": made.pk})
            return int(made.pk)

        made, _ = await self.core.editor.edit(work, author="test", message="", now=clock())
        return int(made)


def executor(slug: str, query: str = "") -> str:
    return f"/api/v3/flows/executor/{slug}/?{urlencode({'query': query})}"


async def open_house(folder: Path, **environ: str) -> House:
    """Open a house in a folder of its own; id.example.org is its address unless told otherwise."""
    settings = load({"OSTIARY_DATA_DIR": str(folder / "data"), "OSTIARY_HOSTS": "id.example.org", **environ})
    core = await open_core(settings, environ={}, create=True)
    metrics = Metrics(version="test")
    return House(core, build_site(core, metrics), metrics)
