"""A small house for flow tests: real sessions, directory and database, and a configuration made on the spot."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from support.program import Clock, Driven, open_program, take_cookies

from ostiary.app.core import Core
from ostiary.brands.resources import Brand
from ostiary.directory.accounts import Accounts
from ostiary.directory.authenticators.devices import Devices
from ostiary.directory.first_run.setup import Setup
from ostiary.directory.users import Users
from ostiary.flows.authenticators.static.stage import AuthenticatorStaticStage
from ostiary.flows.authenticators.totp.stage import AuthenticatorTOTPStage
from ostiary.flows.engine import FlowEngine
from ostiary.flows.resources import Flow, FlowStageBinding, Stage
from ostiary.flows.services import Services
from ostiary.flows.stages.authenticator_validate import AuthenticatorValidateStage
from ostiary.flows.stages.identification import IdentificationStage
from ostiary.flows.stages.password import PasswordStage
from ostiary.flows.stages.user_login import UserLoginStage
from ostiary.policies.kinds.expression import ExpressionPolicy
from ostiary.policies.resources import PolicyBinding
from ostiary.policies.stock import SOURCES
from ostiary.resource import Resource
from ostiary.seal import Secret
from ostiary.sessions.cookie import COOKIE
from ostiary.sessions.sessions import Sessions
from ostiary.store.database import Database
from ostiary.store.workspace.editor import Workspace
from ostiary.web.request import Request
from ostiary.web.response import Response

NOW = 1_800_000_000_000_000
SECOND = 1_000_000
PASSWORD = "correct horse battery"
SLUG = "default-authentication-flow"


def pk() -> str:
    return str(uuid.uuid4())


@dataclass(repr=False)
class World(Driven):
    """The program with a configuration made on the spot, and a clock that stands until it is moved."""

    database: Database

    @property
    def core(self) -> Core:
        return self.program.core

    @property
    def engine(self) -> FlowEngine:
        return self.program.service(FlowEngine)

    @property
    def services(self) -> Services:
        return self.engine._services

    @property
    def sessions(self) -> Sessions:
        return self.program.service(Sessions)

    @property
    def users(self) -> Users:
        return self.core.users

    @property
    def accounts(self) -> Accounts:
        return self.core.accounts

    @property
    def devices(self) -> Devices:
        return self.core.devices

    @property
    def setup(self) -> Setup:
        return self.core.setup

    def change(self, *objects: Resource) -> None:
        """Add objects to the configuration, or replace them."""
        self.program.change(*objects)

    def drop(self, *objects: Resource) -> None:
        for one in objects:
            self.program.drop(one.KIND.name, one.pk)

    def flow(self, slug: str, stages: Iterable[Stage], **values: Any) -> Flow:
        made = Flow(pk=pk(), name=slug, slug=slug, **{"title": slug, "designation": "authentication", **values})
        bindings = [
            FlowStageBinding(pk=pk(), target=str(made.pk), stage=str(stage.pk), order=order * 10)
            for order, stage in enumerate(stages)
        ]
        self.change(made, *stages, *bindings)
        return made

    def binding(self, flow: Flow, stage: Stage) -> FlowStageBinding:
        found = self.program.snapshot.find(FlowStageBinding, target=flow.pk, stage=stage.pk)
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


@dataclass(repr=False)
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
        content = b"" if body is None else json.dumps(body).encode()
        url = f"{path}?{query}" if query else path
        response = await self.world.program.call(
            method, url, headers=sent, body=content, scheme="http", client=self.address
        )
        take_cookies(self.cookies, response)
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


def identification(**values: Any) -> IdentificationStage:
    return IdentificationStage(pk=pk(), name=pk(), user_fields=("username",), **values)


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
    identify = IdentificationStage(pk=pk(), name="identify", user_fields=("email", "username"))
    password = PasswordStage(pk=pk(), name="password", backends=("authentik.core.auth.InbuiltBackend",))
    validate = AuthenticatorValidateStage(pk=pk(), name="mfa", **mfa)
    login = UserLoginStage(pk=pk(), name="login")
    totp = AuthenticatorTOTPStage(pk=pk(), name="totp", digits=6)
    static = AuthenticatorStaticStage(pk=pk(), name="static")
    flow = world.flow(SLUG, [identify, password, validate, login])
    skip = expression("default-authentication-flow-password-stage")
    passwordless = expression("default-authentication-flow-authenticator-validate-stage")
    world.change(
        totp,
        static,
        skip,
        passwordless,
        bind(world.binding(flow, password), skip, failure_result=True),
        bind(world.binding(flow, validate), passwordless),
        Brand(pk=pk(), domain="authentik-default", default=True, flow_authentication=str(flow.pk)),
    )
    return Default(flow, identify, password, validate, login, totp, static)


async def open_world(database: Database) -> World:
    return World(await open_program(database, Clock(NOW)), database)
