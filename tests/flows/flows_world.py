"""A small house for flow tests: real sessions, directory and database, and a configuration made on the spot."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from ostiary.applications.room import ROOM as APPLICATIONS
from ostiary.brands.resources import Brand
from ostiary.brands.room import ROOM as BRANDS
from ostiary.directory.accounts import Accounts
from ostiary.directory.attempts import Attempts
from ostiary.directory.authenticators.devices import Devices
from ostiary.directory.first_run.setup import Setup
from ostiary.directory.passwords.pool import Passwords
from ostiary.directory.room import ROOM as DIRECTORY
from ostiary.directory.rows.backend import backends
from ostiary.directory.tokens import Tokens
from ostiary.directory.users import Users
from ostiary.events.audit import audit_changes
from ostiary.events.session_events import login_event, logout_event
from ostiary.flows.authenticators.static.stage import AuthenticatorStaticStage
from ostiary.flows.authenticators.totp.stage import AuthenticatorTOTPStage
from ostiary.flows.consents import Consents
from ostiary.flows.engine import FlowEngine, plans_end, plans_move, proofs_end
from ostiary.flows.enrolment import authenticators_of
from ostiary.flows.plans.repository import Plans
from ostiary.flows.proofs.mfa_cookie import give_cookies
from ostiary.flows.resources import Flow, FlowStageBinding, Stage
from ostiary.flows.room import ROOM as FLOWS
from ostiary.flows.routes import routes
from ostiary.flows.services import Services
from ostiary.flows.stages.authenticator_validate import AuthenticatorValidateStage
from ostiary.flows.stages.identification import IdentificationStage
from ostiary.flows.stages.password import PasswordStage
from ostiary.flows.stages.user_login import UserLoginStage
from ostiary.policies.expression import ExpressionPolicy
from ostiary.policies.resources import PolicyBinding
from ostiary.policies.room import ROOM as POLICIES
from ostiary.policies.stock import SOURCES
from ostiary.resource import Registry, Resource
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.sessions.cookie import COOKIE, CookieSettings
from ostiary.sessions.sessions import Hooks, Sessions
from ostiary.store.configuration.plane import ConfigPlane
from ostiary.store.configuration.snapshot import Snapshot
from ostiary.store.database import Database
from ostiary.store.workspace.editor import Editor, Workspace
from ostiary.web.errors import HttpError
from ostiary.web.request import Request
from ostiary.web.response import Response
from ostiary.web.router import Router

NOW = 1_800_000_000_000_000
SECOND = 1_000_000
PASSWORD = "correct horse battery"
SLUG = "default-authentication-flow"
REGISTRY = Registry([*FLOWS.kinds, *POLICIES.kinds, *BRANDS.kinds, *APPLICATIONS.kinds, *DIRECTORY.kinds])


def pk() -> str:
    return str(uuid.uuid4())


@dataclass
class Plane:
    """As much of a config plane as flows read."""

    snapshot: Snapshot


@dataclass
class World:
    database: Database
    sessions: Sessions
    users: Users
    accounts: Accounts
    devices: Devices
    setup: Setup
    services: Services
    engine: FlowEngine
    plane: Plane
    router: Router
    clock: list[int]
    objects: list[Resource] = field(default_factory=list)

    @property
    def now(self) -> int:
        return self.clock[0]

    def add(self, *objects: Resource) -> None:
        self.objects.extend(objects)
        self.plane.snapshot = Snapshot.of(REGISTRY, self.objects)

    def replace(self, *objects: Resource) -> None:
        kept = [one for one in self.objects if all(one.pk != new.pk for new in objects)]
        self.objects[:] = []
        self.add(*kept, *objects)

    def flow(self, slug: str, stages: Iterable[Stage], **values: Any) -> Flow:
        made = Flow(pk=pk(), name=slug, slug=slug, **{"title": slug, "designation": "authentication", **values})
        bindings = [
            FlowStageBinding(pk=pk(), target=str(made.pk), stage=str(stage.pk), order=order * 10)
            for order, stage in enumerate(stages)
        ]
        self.add(made, *[stage for stage in stages if stage not in self.objects], *bindings)
        return made

    def binding(self, flow: Flow, stage: Stage) -> FlowStageBinding:
        found = self.plane.snapshot.find(FlowStageBinding, target=flow.pk, stage=stage.pk)
        assert found is not None
        return found

    async def user(self, name: str = "jo", **values: Any) -> Any:
        return await self.accounts.create(
            name, email=f"{name}@example.org", password=Secret(PASSWORD), now=self.now, **values
        )

    async def group(self, name: str) -> str:
        async def work(workspace: Workspace) -> str:
            return str((await workspace.create("authentik_core.group", {"name": name})).pk)

        made, _ = await self.services.editor.edit(work, author="test", message="", now=self.now)
        return made

    async def events(self, action: str) -> list[dict[str, Any]]:
        rows = await self.database.fetch("SELECT context, who FROM event WHERE action = ? ORDER BY created", action)
        return [{"context": json.loads(str(row["context"])), "who": json.loads(str(row["who"]))} for row in rows]


@dataclass
class Client:
    """A headless client: keeps the cookies, follows nothing by itself."""

    world: World
    slug: str = SLUG
    query: str = ""
    cookies: dict[str, str] = field(default_factory=dict)
    address: str = "192.0.2.1"

    async def send(
        self, method: str, path: str, body: object = None, *, query: str = "", headers: Mapping[str, str] | None = None
    ) -> Response:
        sent = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), **(headers or {})}
        if body is not None:
            sent.setdefault("content-type", "application/json")
        request = Request(
            method=method,
            path=path,
            query=query,
            headers=sent,
            client=self.address,
            host="id.example.org",
            body=b"" if body is None else json.dumps(body).encode(),
        )
        try:
            response = await self.world.router(request)
        except HttpError as error:
            response = Response(error.status, error.code.encode(), list(error.headers))
        self.world.sessions.finish(request, response)
        give_cookies(request, response)
        for name, value in response.headers:
            if name == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        return response

    @property
    def path(self) -> str:
        return f"/api/v3/flows/executor/{self.slug}/"

    async def get(self) -> dict[str, Any]:
        response = await self.send("GET", self.path, query=urlencode({"query": self.query}))
        while response.status == 302:
            response = await self.send("GET", self.path, query=urlencode({"query": self.query}))
        assert response.status == 200, (response.status, response.body)
        return dict(json.loads(response.body))

    async def post(self, **answer: Any) -> Response:
        return await self.send("POST", self.path, answer, query=urlencode({"query": self.query}))

    async def answer(self, **answer: Any) -> dict[str, Any]:
        """Answer, follow the redirect of a passed stage, and return what is shown then."""
        response = await self.post(**answer)
        if response.status == 302:
            return await self.get()
        assert response.status == 200, (response.status, response.body)
        return dict(json.loads(response.body))

    async def session(self) -> Any:
        request = Request(headers={"cookie": f"{COOKIE}={self.cookies.get(COOKIE, '')}"})
        return await self.world.sessions.read(request, self.world.now)

    async def sign_in(self, name: str = "jo", password: str = PASSWORD) -> dict[str, Any]:
        await self.get()
        await self.answer(component="ak-stage-identification", uid_field=name)
        return await self.answer(component="ak-stage-password", password=password)


def expression(name: str) -> ExpressionPolicy:
    return ExpressionPolicy(pk=pk(), name=name, expression=SOURCES[name])


def bind(target: Resource, policy: Resource, **values: Any) -> PolicyBinding:
    return PolicyBinding(pk=pk(), target=str(target.pk), policy=str(policy.pk), order=0, **values)


@dataclass
class Default:
    """The default sign-in, as it is shipped."""

    flow: Flow
    identification: IdentificationStage
    password: PasswordStage
    mfa: AuthenticatorValidateStage
    login: UserLoginStage
    totp: AuthenticatorTOTPStage
    static: AuthenticatorStaticStage


def default_flow(world: World, **mfa: Any) -> Default:
    identification = IdentificationStage(pk=pk(), name="identify", user_fields=("email", "username"))
    password = PasswordStage(pk=pk(), name="password", backends=("authentik.core.auth.InbuiltBackend",))
    validate = AuthenticatorValidateStage(pk=pk(), name="mfa", **mfa)
    login = UserLoginStage(pk=pk(), name="login")
    totp = AuthenticatorTOTPStage(pk=pk(), name="totp", digits=6)
    static = AuthenticatorStaticStage(pk=pk(), name="static")
    flow = world.flow(SLUG, [identification, password, validate, login])
    skip = expression("default-authentication-flow-password-stage")
    passwordless = expression("default-authentication-flow-authenticator-validate-stage")
    world.add(
        totp,
        static,
        skip,
        passwordless,
        bind(world.binding(flow, password), skip, failure_result=True),
        bind(world.binding(flow, validate), passwordless),
        Brand(pk=pk(), domain="authentik-default", default=True, flow_authentication=str(flow.pk)),
    )
    return Default(flow, identification, password, validate, login, totp, static)


async def open_world(database: Database) -> World:
    clock = [NOW]
    hooks = Hooks()
    hooks.on_begin.append(login_event)
    hooks.on_logout.append(logout_event)
    hooks.on_move.append(plans_move)
    hooks.on_end.append(plans_end)
    hooks.on_close.append(proofs_end)
    sessions = Sessions(database, CookieSettings(), hooks)
    sealer = Sealer(Secret("a secret key for tests, long enough to be one"))
    users, passwords = Users(database, install_id="install"), Passwords(workers=1)
    devices, setup = Devices(database, sealer, authenticators_of(FLOWS.kinds)), Setup(database)
    plane = Plane(Snapshot.of(REGISTRY, []))
    plane_any: Any = plane
    written = ConfigPlane(database, Registry(DIRECTORY.kinds), sealer)
    await written.load()
    editor = Editor(written, backends(database, passwords, sealer), audit_changes)
    services = Services(
        database=database,
        plane=plane_any,
        sessions=sessions,
        users=users,
        passwords=passwords,
        devices=devices,
        tokens=Tokens(database, sealer),
        attempts=Attempts(database),
        setup=setup,
        editor=editor,
        consents=Consents(database),
        plans=Plans(database, sealer),
        cookie_key=Secret("cookie key"),
    )
    engine = FlowEngine(services)
    router = Router(routes(engine, sessions, plane_any, lambda: clock[0]))
    accounts = Accounts(database, users, passwords)
    return World(database, sessions, users, accounts, devices, setup, services, engine, plane, router, clock)
