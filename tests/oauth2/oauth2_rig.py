"""One installation with an application, a person and a browser, made of the real rooms without a server."""

from __future__ import annotations

import base64
import functools
import html
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey
from support.program import HOST, REGISTRY, Clock, Driven, open_program, take_cookies

from ostiary.applications.resources import Application
from ostiary.brands.resources import Brand
from ostiary.directory.user import User
from ostiary.directory.users import insert
from ostiary.flows.resources import Flow, FlowStageBinding
from ostiary.flows.run.outcome import Outcome
from ostiary.flows.stages.consent import ConsentStage
from ostiary.flows.stages.user_logout import UserLogoutStage
from ostiary.keys.certificate import generate_self_signed
from ostiary.keys.resources import CertificateKeyPair
from ostiary.mappings.scope_mapping import ScopeMapping
from ostiary.mappings.stock import STOCK
from ostiary.providers.oauth2.provider.definition import OAuth2Provider
from ostiary.providers.oauth2.provider.fields import RedirectURI
from ostiary.providers.oauth2.services import OAuth2Services
from ostiary.resource import Resource
from ostiary.seal import Secret
from ostiary.sessions.sessions import SessionLogin, Sessions
from ostiary.store.configuration.plane import ConfigPlane
from ostiary.store.configuration.snapshot import Snapshot
from ostiary.store.database import Batch, Database, Row, Statement, Unwatched, Value, Watch
from ostiary.store.workspace.commit import run
from ostiary.web.request import Request
from ostiary.web.response import Response

BASE = "https://id.example.org"
CALLBACK = "https://app.example.org/cb?x=1"
SECRET = "s3cret:%+ é".replace("é", "e") + "x" * 30
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
SECOND = 1_000_000
START = 1_700_000_000 * SECOND


class Counting:
    """A database that counts its round trips."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.dialect = database.dialect
        self.activity = cast("Any", database).activity
        self.trips = 0

    async def fetch(self, sql: str, *parameters: Value) -> Sequence[Row]:
        self.trips += 1
        return await self._database.fetch(sql, *parameters)

    async def read(self, batch: Callable[[], Batch[Any]]) -> Any:
        self.trips += 1
        return await self._database.read(batch)

    async def write(self, batch: Callable[[], Batch[Any]]) -> Any:
        self.trips += 1
        return await self._database.write(batch)

    def watch(self, tables: str) -> Watch:  # what is kept in memory would not be counted
        assert tables
        return Unwatched()

    async def close(self) -> None:
        await self._database.close()


@functools.cache
def pair(algorithm: str) -> CertificateKeyPair:
    kind: Any = "rsa-2048" if algorithm == "rsa" else "ec-p256"
    made = generate_self_signed("test", "test", key_type=kind, now=START)
    return CertificateKeyPair(
        pk=f"key-{algorithm}", name=algorithm, certificate_data=made.certificate_data, key_data=made.key_data
    )


def user(pk: int, name: str, **changes: object) -> User:
    made = User(
        pk=pk, uuid=f"uuid-{pk}", username=name, name=name.title(), email=f"{name}@example.org", is_active=True,
        type="internal", path="users", attributes={"upn": f"{name}@upn"}, password="!", last_login=None, date_joined=START,
        password_change_date=START, last_updated=START,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def base_objects() -> list[Resource]:
    scopes = [
        ScopeMapping(
            pk=item.managed,
            name=item.name,
            scope_name=item.scope_name,
            expression=item.expression,
            description=item.description,
            managed=item.managed,
        )
        for item in STOCK[:5]
    ]

    def flow(slug: str, designation: Any, authentication: Any = "none") -> Flow:
        return Flow(pk=slug, name=slug, slug=slug, title=slug, designation=designation, authentication=authentication)

    return [
        *scopes,
        pair("ec"),
        flow("login", "authentication"),
        flow("silent", "authorization", "require_authenticated"),
        flow("ask", "authorization", "require_authenticated"),
        flow("leave", "invalidation"),
        flow("logout", "invalidation"),
        ConsentStage(pk="consent", name="consent"),
        UserLogoutStage(pk="logout-stage", name="logout"),
        FlowStageBinding(pk="b1", target="ask", stage="consent", order=0),
        FlowStageBinding(pk="b2", target="logout", stage="logout-stage", order=0),
        Brand(
            pk="brand",
            domain="authentik-default",
            default=True,
            flow_authentication="login",
            flow_invalidation="logout",
        ),
        Application(pk="app", name="Wiki", slug="wiki", provider=1),
        provider(1),
        Application(pk="other", name="Other", slug="other", provider=2),
        provider(2, client_id="other"),
    ]


def provider(pk: int, **changes: object) -> OAuth2Provider:
    made = OAuth2Provider(
        pk=pk, name=f"provider {pk}", authorization_flow="silent", invalidation_flow="leave", client_id="wiki",
        client_secret=Secret(SECRET), signing_key="key-ec",
        redirect_uris=(RedirectURI("strict", CALLBACK), RedirectURI("strict", "https://app.example.org/bye")),
        property_mappings=tuple(item.managed for item in STOCK[:5]),
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


@dataclass(repr=False)
class Rig(Driven):
    """The program, and a clock that stands until it is moved."""

    database: Counting
    browser: Browser = field(init=False)

    @property
    def plane(self) -> ConfigPlane:
        return self.program.core.plane

    @property
    def services(self) -> OAuth2Services:
        return self.program.service(OAuth2Services)

    @property
    def sessions(self) -> Sessions:
        return self.program.service(Sessions)

    async def restart(self, **environ: str) -> None:
        """Go on in another process with other settings, on the same database."""
        await self.program.close()
        database = cast("Database", self.database)
        self.program = await open_program(database, self.program.clock, snapshot=self.plane.snapshot, **environ)

    @property
    def brand(self) -> Brand:
        found = self.plane.snapshot.get(Brand, "brand")
        assert found is not None
        return found

    def change(self, *objects: Resource) -> None:
        self.program.change(*objects)

    def drop(self, kind: str, pk: str | int) -> None:
        self.program.drop(kind, pk)

    async def call(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        host: str = HOST,
    ) -> Response:
        """Send a request through the site."""
        sent = dict(headers or {})
        if form is not None:
            sent.setdefault("content-type", "application/x-www-form-urlencoded")
            body = urlencode(form, quote_via=quote).encode()
        return await self.program.call(method, url.removeprefix(BASE), headers=sent, body=body or b"", host=host)

    async def token(self, basic: tuple[str, str] | None = ("wiki", SECRET), **form: str) -> Response:
        headers = {} if basic is None else {"authorization": basic_header(*basic)}
        return await self.call("POST", "/application/o/token/", form=form, headers=headers)

    async def rows(self, sql: str) -> Sequence[Any]:
        return await self.database.fetch(sql)

    async def events(self, action: str) -> Sequence[Any]:
        return await self.database.fetch("SELECT * FROM event WHERE action = ?", action)

    async def run(self, *statements: Statement) -> None:
        await self.database.write(lambda: run(statements))


def certificates_in(header: str) -> dict[str, str]:
    """Settings that let whoever asks, as a proxy, hand over the certificates of clients."""
    return {"OSTIARY_MTLS__HEADER": header, "OSTIARY_LISTEN__TRUSTED_PROXY_CIDRS": "192.0.2.7/32"}


def basic_header(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{quote(name, safe='')}:{quote(secret, safe='')}".encode()).decode()


@dataclass(repr=False)
class Browser:
    """A browser with its cookies. `pages` are the queries of the flow pages it was sent to last, by slug."""

    rig: Rig
    cookies: dict[str, str] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)

    @property
    def cookie(self) -> str:
        """What it sends as its cookies."""
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    async def get(self, url: str) -> Response:
        response = await self.rig.call("GET", url, headers={"cookie": self.cookie} if self.cookie else {})
        take_cookies(self.cookies, response)
        self.arrive(response)
        return response

    def arrive(self, response: Response) -> None:
        """Remember the page of a flow to which an answer leads."""
        to = urlsplit(response.header("location") or "")
        if to.path.startswith("/if/flow/"):
            self.pages[to.path.removeprefix("/if/flow/").strip("/")] = to.query

    async def sign_in(self, pk: int = 7, name: str = "ada", amr: tuple[str, ...] = ("pwd",)) -> None:
        """Sign in past the flows, as the user_login stage does."""
        request = Request(headers={"cookie": self.cookie} if self.cookie else {}, scheme="https")
        session = await self.rig.sessions.ensure(request, self.rig.now)
        who = {"pk": pk, "username": name, "email": f"{name}@example.org"}
        proof = SessionLogin(user=pk, who=who, auth_method="password", amr=amr, duration=30 * 86_400 * SECOND)
        await self.rig.sessions.sign_in(request, session, proof, now=self.rig.now)
        self.keep(request)

    async def sign_out(self) -> None:
        request = Request(headers={"cookie": self.cookie}, scheme="https")
        session = await self.rig.sessions.read(request, self.rig.now)
        assert session is not None
        await self.rig.sessions.end(request, session, now=self.rig.now)

    async def finish_flow(self, slug: str) -> str:
        """Look at a flow that asks nothing (any more); return where it leads."""
        request = Request(headers={"cookie": self.cookie}, scheme="https", host="id.example.org")
        session = await self.rig.sessions.read(request, self.rig.now)
        assert session is not None
        query = self.pages.get(slug, "")
        outcome = await self.rig.services.engine.challenge(request, session, slug, query=query, now=self.rig.now)
        self.keep(request)
        return cast("str", outcome.to)  # type: ignore[union-attr]

    async def look(self, slug: str) -> Any:
        request = Request(headers={"cookie": self.cookie}, scheme="https", host="id.example.org")
        session = await self.rig.sessions.read(request, self.rig.now)
        assert session is not None
        query = self.pages.get(slug, "")
        outcome = await self.rig.services.engine.challenge(request, session, slug, query=query, now=self.rig.now)
        self.keep(request)
        return outcome

    async def answer(self, slug: str, answer: Mapping[str, object]) -> None:
        request = Request(headers={"cookie": self.cookie}, scheme="https", host="id.example.org")
        session = await self.rig.sessions.read(request, self.rig.now)
        assert session is not None
        query = self.pages.get(slug, "")
        await self.rig.services.engine.respond(request, session, slug, answer, query=query, now=self.rig.now)

    async def submit(self, slug: str, **form: object) -> Outcome:
        """Send the form of a flow's page; return what the engine says."""
        shown = await self.look(slug)
        request = Request(headers={"cookie": self.cookie}, scheme="https", host="id.example.org")
        session = await self.rig.sessions.read(request, self.rig.now)
        assert session is not None
        outcome = await self.rig.services.engine.submit(
            request, session, slug, form, query=self.pages.get(slug, ""), ticket=shown.ticket, now=self.rig.now
        )
        self.keep(request)
        return outcome

    def keep(self, request: Request) -> None:
        response = Response(200)
        self.rig.sessions.finish(request, response)
        take_cookies(self.cookies, response)

    async def authorize(self, **changes: str) -> Response:
        return await self.get(authorize_url(**changes))

    async def code(self, **changes: str) -> str:
        response = await self.authorize(**changes)
        answer = answer_of(response)
        assert "code" in answer, (response.status, response.headers, response.body)
        return answer["code"]

    async def tokens(self, **changes: str) -> dict[str, Any]:
        """Sign in to the application as it should be."""
        code = await self.code(**changes)
        response = await self.rig.token(
            grant_type="authorization_code", code=code, redirect_uri=CALLBACK, code_verifier=VERIFIER
        )
        assert response.status == 200, response.body
        return cast("dict[str, Any]", json.loads(response.body))


def authorize_url(**changes: str) -> str:
    wanted = {
        "client_id": "wiki", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid email profile offline_access",
        "state": "st", "nonce": "no", "code_challenge": CHALLENGE, "code_challenge_method": "S256", **changes,
    }  # fmt: skip
    return "/application/o/authorize/?" + urlencode({name: value for name, value in wanted.items() if value})


def location(response: Response) -> str:
    assert response.status in {302, 303}, (response.status, response.body)
    return cast("str", response.header("location"))


def page_of(response: Response) -> str:
    """Return the flow page a browser is sent to, without what says where it leads."""
    path, _, query = location(response).partition("?")
    kept = [(name, value) for name, value in parse_qsl(query) if name not in {"next", "destination"}]
    return f"{path}?{urlencode(kept)}" if kept else path


def answer_of(response: Response, part: str = "query") -> dict[str, str]:
    return dict(parse_qsl(getattr(urlsplit(location(response)), part), keep_blank_values=True))


def json_of(response: Response) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(response.body))


async def verified(rig: Rig, token: str, slug: str = "wiki") -> dict[str, Any]:
    """Verify a token with the published keys, by a library that is not ours."""
    keys = json_of(await rig.call("GET", f"/application/o/{slug}/jwks/"))
    key: Any = KeySet.import_key_set(keys) if keys else OctKey.import_key(SECRET)  # type: ignore[arg-type]
    return dict(jwt.decode(token, key, algorithms=["RS256", "ES256", "ES384", "ES512", "HS256"]).claims)


FIELD = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)"')


def posted(response: Response) -> dict[str, str]:
    """Return the members of an answer by form_post."""
    page = response.body.decode()
    assert f'action="{html.escape(CALLBACK)}"' in page, page
    return {html.unescape(name): html.unescape(value) for name, value in FIELD.findall(page)}


@functools.cache
def base_snapshot() -> Snapshot:
    return Snapshot.of(REGISTRY, base_objects())


async def make_rig(database: Database, **environ: str) -> Rig:
    """Build the program on this database; `environ` are settings."""
    counting = Counting(database)
    program = await open_program(cast("Database", counting), Clock(START), snapshot=base_snapshot(), **environ)
    rig = Rig(program, counting)
    rig.browser = Browser(rig)
    await rig.run(insert(user(7, "ada")), insert(user(8, "bob")), insert(user(9, "eve", is_active=False)))
    return rig


@pytest.fixture
async def rig(sqlite_database: Database) -> AsyncIterator[Rig]:
    made = await make_rig(sqlite_database)
    yield made
    await made.program.close()


@pytest.fixture
async def both(database: Database) -> AsyncIterator[Rig]:
    """The same, on each database in turn."""
    made = await make_rig(database)
    yield made
    await made.program.close()
