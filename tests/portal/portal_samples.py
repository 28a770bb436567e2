"""Every component as the engine could send it, and a site that shows them: for looking, for axe, for tests."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

import uvicorn
from portal_objects import APPS, KINDS_BY_CLASS, NOW, device, subject
from portal_passkeys import PASSKEYS

from ostiary.brands.resources import Brand
from ostiary.directory.authenticators.authenticator import Authenticator
from ostiary.directory.authenticators.device import Device
from ostiary.directory.user import Subject
from ostiary.flows.authenticators.totp.stage import AuthenticatorTOTPStage
from ostiary.flows.challenge_page import UNKNOWN_PAGE, ChallengePage
from ostiary.flows.enrolment import SetupStage
from ostiary.flows.error_detail import ErrorDetail
from ostiary.flows.errors import UnknownFlow
from ostiary.flows.logout.stages import STAGES as LOGOUT_STAGES
from ostiary.flows.proofs.mfa_page import KINDS, SET_UP
from ostiary.flows.resources import Stage
from ostiary.flows.room import STAGES
from ostiary.flows.run.body_limit import FILES_LIMIT
from ostiary.flows.run.challenge_frame import ACCESS_DENIED, DENIED_PAGE
from ostiary.flows.run.outcome import Challenge, FlowInfo, FlowRedirect, Outcome, Passed
from ostiary.policies.services import NO_SERVICES
from ostiary.portal.error_page import ErrorPage
from ostiary.portal.look import Renderer, own_static, own_templates
from ostiary.portal.routes import routes
from ostiary.portal.services import Pages
from ostiary.providers.oauth2.device.stages import STAGES as DEVICE_STAGES
from ostiary.seal import Secret
from ostiary.sessions.session import Session
from ostiary.signon.break_glass.entry import NOT_VALID as BREAK_GLASS_NOT_VALID
from ostiary.signon.recovery import NOT_VALID as LINK_NOT_VALID
from ostiary.store.database import Statement
from ostiary.web.asgi import Site
from ostiary.web.errors import BadRequest, HttpError, NotFound
from ostiary.web.request import BODY_LIMIT, Request
from ostiary.web.response import Response, set_cookie
from ostiary.web.router import Route, Router

PERSON = {"pending_user": "ada@example.org", "pending_user_avatar": ""}
LEFT = {**PERSON, "application_name": "Grafana", "brand_name": "Ostiary"}


def prompt(key: str, kind: str, label: str, **more: object) -> dict[str, object]:
    return {
        "field_key": key,
        "label": label,
        "type": kind,
        "required": True,
        "placeholder": "",
        "initial_value": "",
        "order": 0,
        "sub_text": "",
        "choices": None,
        **more,
    }


WIZARD = [
    prompt("header", "static", "", initial_value="Make the account of the first administrator."),
    prompt("email", "email", "E-mail", placeholder="you@example.org"),
    prompt("password", "password", "Password"),
    prompt("password_repeat", "password", "Password (again)"),
]
SIZES = [{"value": "s", "label": "Small"}, {"value": "l", "label": "Large"}]
ALL_KINDS = [
    prompt("username", "username", "Username"),
    prompt("name", "text", "Name", sub_text="As others <b>should</b> see it."),
    prompt("about", "text_area", "About you", required=False),
    prompt("line", "separator", "Settings"),
    prompt("age", "number", "Age"),
    prompt("locale", "ak-locale", "Language", initial_value="de"),
    prompt("born", "date", "Date of birth"),
    prompt("meet", "date-time", "First meeting", initial_value="2026-01-31T12:00:30+00:00"),
    prompt("picture", "file", "Picture", sub_text="At most 512 KiB."),
    prompt("house", "text_area_read_only", "House rules", initial_value="No shoes.\nNo smoke."),
    prompt("team", "dropdown", "Team", choices=["red", "blue"]),
    prompt("size", "radio-button-group", "Size", choices=SIZES),
    prompt("fixed", "text_read_only", "Number", initial_value="4711"),
    prompt("hidden", "hidden", "", initial_value="1"),
    prompt("terms", "checkbox", "I have read the house rules"),
]
IDENTIFICATION: dict[str, object] = {
    "user_fields": ["username", "email"],
    "password_fields": False,
    "primary_action": "Log in",
    "flow_designation": "authentication",
    "show_source_labels": False,
    "sources": [],
}
SAMPLES: Mapping[str, tuple[str, str, Mapping[str, object], Mapping[str, list[ErrorDetail]]]] = {
    "identification": ("ak-stage-identification", "Welcome to Ostiary", IDENTIFICATION, {}),
    "one-step": (
        "ak-stage-identification",
        "Welcome back",
        {
            **IDENTIFICATION,
            "password_fields": True,
            "allow_show_password": True,
            "application_pre": "Grafana",
            "recovery_url": "/if/flow/recovery/",
            "enroll_url": "/if/flow/enroll/",
            "sources": [
                {
                    "name": "GitHub",
                    "promoted": False,
                    "challenge": {"component": "xak-flow-redirect", "to": "/source/1/"},
                },
                {
                    "name": "Work account",
                    "promoted": False,
                    "challenge": {"component": "xak-flow-redirect", "to": "/source/2/"},
                },
            ],
        },
        {"password": [ErrorDetail("Invalid password", "invalid")]},
    ),
    "password": ("ak-stage-password", "Welcome to Ostiary", {**PERSON, "allow_show_password": True}, {}),
    "password-wrong": (
        "ak-stage-password",
        "Welcome to Ostiary",
        {**PERSON, "recovery_url": "/if/flow/recovery/"},
        {"password": [ErrorDetail("Invalid password", "invalid")]},
    ),
    "wizard": ("ak-stage-prompt", "Welcome to your new house", {"fields": WIZARD}, {}),
    "wizard-wrong": (
        "ak-stage-prompt",
        "Welcome to your new house",
        {"fields": WIZARD},
        {
            "email": [ErrorDetail("Enter a valid email address.")],
            "password_repeat": [ErrorDetail("Passwords don't match.")],
        },
    ),
    "kinds": ("ak-stage-prompt", "Your profile", {"fields": ALL_KINDS}, {}),
    "consent": (
        "ak-stage-consent",
        "Redirecting to Grafana",
        {
            **PERSON,
            "header_text": "Grafana would like to know who you are.",
            "permissions": [
                {"id": "openid", "name": "Know who you are"},
                {"id": "email", "name": "Email address"},
                {"id": "profile", "name": "General profile information"},
            ],
            "additional_permissions": [{"id": "groups", "name": "Your groups"}],
            "token": "abc",
        },
        {},
    ),
    "validate": (
        "ak-stage-authenticator-validate",
        "One more step",
        {
            **PERSON,
            "device_challenges": [
                {"device_class": "static", "device_uid": "2", "challenge": {}, "last_used": None},
                {"device_class": "totp", "device_uid": "1", "challenge": {}, "last_used": None},
            ],
            "configuration_stages": [],
        },
        {},
    ),
    **PASSKEYS,
    "configure": (
        "ak-stage-authenticator-validate",
        "One more step",
        {
            **PERSON,
            "device_challenges": [],
            "configuration_stages": [
                {
                    "pk": "1",
                    "name": "totp",
                    "verbose_name": "TOTP Authenticator Setup Stage",
                    "meta_model_name": "authentik_stages_authenticator_totp.authenticatortotpstage",
                },
                {
                    "pk": "2",
                    "name": "static",
                    "verbose_name": "Static Authenticator Setup Stage",
                    "meta_model_name": "authentik_stages_authenticator_static.authenticatorstaticstage",
                },
            ],
        },
        {},
    ),
    "totp": (
        "ak-stage-authenticator-totp",
        "Set up an authenticator app",
        {
            **PERSON,
            "config_url": "otpauth://totp/Ostiary:ada%40example.org?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
            "&algorithm=SHA1&digits=6&period=30&issuer=Ostiary",
        },
        {},
    ),
    "static": (
        "ak-stage-authenticator-static",
        "Your recovery codes",
        {
            **PERSON,
            "codes": ["k7fm2qpx9rta", "w3hn8ybc4dve", "p9xk5rtm2qzf", "b4vd7nwa6hje", "t2yq9cfm8krp", "m6ja3zxh5wnb"],
        },
        {},
    ),
    "user-login": ("ak-stage-user-login", "Welcome to Ostiary", PERSON, {}),
    "denied": (
        "ak-stage-access-denied",
        "Welcome to Ostiary",
        {**PERSON, "error_message": "You are not a member of the group this application asks for."},
        {},
    ),
    "flow-error": ("ak-stage-flow-error", "Welcome to Ostiary", {"request_id": "0123456789abcdef0123456789abcdef"}, {}),
    "session-end": (
        "ak-stage-session-end",
        "Signed out",
        {
            **PERSON,
            "application_name": "Grafana",
            "application_launch_url": "https://grafana.example.org/",
            "invalidation_flow_url": "/if/flow/default-invalidation-flow/",
            "brand_name": "Ostiary",
        },
        {},
    ),
    "session-end-ask": ("ak-stage-session-end", "Signed out", {**LEFT, "confirm": True}, {}),
    "session-end-elsewhere": (
        "ak-stage-session-end",
        "Signed out",
        {**PERSON, "application_name": "", "brand_name": "Ostiary", "confirm": True},
        {},
    ),
    "session-end-stayed-here": (
        "ak-stage-session-end",
        "Signed out",
        {**LEFT, "notices": ["address", "hint"]},
        {},
    ),
    "iframe-logout": (
        "ak-provider-iframe-logout",
        "Signed out",
        {"logout_urls": [{"url": "https://app.example.org/out?sid=1", "provider_name": "app", "binding": "redirect"}]},
        {},
    ),
    "device-code": ("ak-provider-oauth2-device-code", "Device", PERSON, {}),
    "device-code-filled": ("ak-provider-oauth2-device-code", "Device", {**PERSON, "code": "123456789"}, {}),
    "device-code-wrong": (
        "ak-provider-oauth2-device-code",
        "Device",
        {**PERSON, "code": "123456789"},
        {"code": [ErrorDetail("No device is waiting with this code.")]},
    ),
    "device-code-finish": ("ak-provider-oauth2-device-code-finish", "Device", PERSON, {}),
    "email": ("ak-stage-email", "Choose a new password", {}, {}),
    "autosubmit": (
        "ak-stage-autosubmit",
        "Redirecting",
        {"url": "https://client.example.org/callback", "attrs": {"code": "c0de", "state": '"><script>'}, "title": ""},
        {},
    ),
    "shell": ("xak-flow-shell", "A page", {"body": "<h1>Hello</h1><script>alert(1)</script>"}, {}),
    "unknown": ("ak-stage-authenticator-duo", "Duo", PERSON, {}),
}


PAGES: Mapping[str, ChallengePage] = {
    **{
        one.COMPONENT: one.PAGE
        for one in cast(
            "tuple[type[Stage], ...]", (*STAGES, *map(type, [*DEVICE_STAGES.values(), *LOGOUT_STAGES.values()]))
        )
        if one.PAGE is not UNKNOWN_PAGE
    },
    ACCESS_DENIED: DENIED_PAGE,
}
NOTES: Mapping[str, object] = {
    "person": "mia",
    "number": 30,
    "unit": "minute",  # of the e-mail stage
    KINDS: KINDS_BY_CLASS,
    SET_UP: {stage.KIND.name: stage.AUTHENTICATOR for stage in STAGES if issubclass(stage, SetupStage)},
}


def sample(name: str) -> Challenge:
    component, title, fields, errors = SAMPLES[name]
    info = FlowInfo(title=title, layout="stacked", cancel_url="/flows/-/cancel/")
    page = PAGES.get(component, UNKNOWN_PAGE)
    return Challenge(component, fields, info, errors, ticket=f"ticket-{name}", page=page, notes=NOTES)


class SampleEngine:
    """Shows the sample of a flow's slug; remembers answers; `leads` says where a slug's flow ends."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, Mapping[str, object], str | None]] = []
        self.leads: dict[str, str] = {}
        self.override: dict[str, Mapping[str, object]] = {}
        self.verdict: Outcome | None = None
        self.failure: Exception | None = None
        self.shows: dict[str, str] = {}
        self.failed: Mapping[str, list[ErrorDetail]] = {}

    def body_limit(self, slug: str) -> int:
        return FILES_LIMIT if slug == "kinds" else BODY_LIMIT

    async def challenge(self, request: Request, session: Session, slug: str, *, query: str = "", now: int) -> Outcome:
        if slug in self.leads:
            return FlowRedirect(self.leads[slug])
        if self.shows.get(slug, slug) not in SAMPLES:
            raise UnknownFlow
        made = sample(self.shows.get(slug, slug))
        errors = self.failed or made.response_errors
        return dataclasses.replace(made, fields=self.override.get(slug, made.fields), response_errors=errors)

    async def submit(
        self,
        request: Request,
        session: Session,
        slug: str,
        form: Mapping[str, object],
        *,
        query: str = "",
        ticket: str,
        now: int,
    ) -> Outcome:
        self.answers.append((slug, PAGES.get(str(form["component"]), UNKNOWN_PAGE).read(form), ticket))
        if self.failure is not None:
            raise self.failure
        return self.verdict or Passed()


class SampleNotes:
    new = False


class SampleGate:
    """One session for everybody with the cookie."""

    def __init__(self, user: int | None = None) -> None:
        self.user = user
        self.auth_time = NOW if user is not None else None

    async def read(self, request: Request, now: int) -> Session | None:
        return self._session() if "authentik_session" in request.cookies else None

    async def ensure(self, request: Request, now: int) -> Session:
        request.state.of(SampleNotes).new = "authentik_session" not in request.cookies
        return self._session()

    def finish(self, request: Request, response: Response) -> None:
        if request.state.of(SampleNotes).new:
            set_cookie(response, "authentik_session", "sample")

    def _session(self) -> Session:
        return Session(
            key=b"sample" * 4,
            pk="s",
            created=NOW,
            last_seen=NOW,
            expires=NOW * 2,
            idle_expires=NOW * 2,
            idle=NOW,
            persistent=False,
            user=self.user,
            auth_time=self.auth_time,
        )


class SampleSnapshot:
    number = 1

    def __init__(self, objects: list[Any]) -> None:
        self.objects = objects

    def all(self, model: type) -> list[Any]:
        return [one for one in self.objects if isinstance(one, model)]

    def get(self, model: type, pk: object) -> Any:
        return next((one for one in self.all(model) if one.pk == pk), None)

    def find(self, model: type, **fields: object) -> Any:
        return next(
            (one for one in self.all(model) if all(getattr(one, key) == value for key, value in fields.items())), None
        )

    def memo(self, key: object, build: Callable[[], Any]) -> Any:
        return build()

    def family(self, target: str) -> list[Any]:
        return [one for one in self.objects if target in one.KIND.families]

    def resolve(self, target: str, pk: object) -> Any:
        return None

    def referring(self, model: type, field: str, pk: object) -> list[Any]:
        return [one for one in self.all(model) if getattr(one, field) == pk]


class SampleHouse:
    """The site, with handles on what stands behind it."""

    def __init__(
        self,
        *,
        user: int | None = 7,
        closed: bool = True,
        prefix: str = "",
        external: bool = False,
        administers: bool = False,
    ) -> None:
        self.engine = SampleEngine()
        self.sessions = SampleGate(user)
        brand = Brand(pk="b", domain="default", default=True, default_application="grafana" if external else None)
        setting_up = AuthenticatorTOTPStage(pk="t", name="totp", configure_flow="f", digits=6)
        self.snapshot = SampleSnapshot([brand, *APPS, setting_up])
        plane = SimpleNamespace(snapshot=self.snapshot)
        static = own_static()
        templates = own_templates(static)
        self.recovered: list[str] = []
        self.told: list[Statement] = []
        self.devices = [device(1, "totp", "Phone"), device(2, "static", "On paper")]

        async def the_subject(pk: int) -> Subject:
            return subject(type="external" if external else "internal", administers=administers)

        async def confirmed(pk: int) -> list[Any]:
            return list(self.devices)

        async def delete(pk: int, device: Any, *, audit_event: Statement) -> bool:
            self.devices.remove(device)
            self.told.append(audit_event)
            return True

        def kind_of(device: Device) -> Authenticator:
            return KINDS_BY_CLASS[device.device_class]

        async def is_closed() -> bool:
            return closed

        async def check(token: Any, now: int) -> bool:
            return bool(token.matches("right"))

        async def break_glass(request: Request, code: Secret, now: int) -> str:
            if code.reveal() != "right":
                raise BadRequest("break_glass", BREAK_GLASS_NOT_VALID)
            return "/if/user/"

        async def recover(request: Request, key: str, now: int) -> str:
            self.recovered.append(key)
            if key != "right":
                raise NotFound("recovery_link", LINK_NOT_VALID)
            return prefix + "/if/user/"

        async def write(batch: Any) -> None:
            self.told.extend(batch())

        self.pages = Pages(
            engine=cast("Any", self.engine),
            sessions=self.sessions,  # type: ignore[arg-type]
            plane=plane,
            users=SimpleNamespace(subject=the_subject),  # type: ignore[arg-type]
            devices=SimpleNamespace(confirmed=confirmed, delete=delete, kind_of=kind_of, kinds=KINDS_BY_CLASS),  # type: ignore[arg-type]
            setup=SimpleNamespace(closed=is_closed, is_valid_link=check),  # type: ignore[arg-type]
            templates=templates,
            static=static,
            form_key=b"k" * 32,
            clock=lambda: NOW,
            recover=recover,
            break_glass=break_glass,
            sign_on=SimpleNamespace(policy_services=NO_SERVICES, database=SimpleNamespace(write=write)),  # type: ignore[arg-type]
        )
        self.renderer = Renderer(templates, static, plane)
        extra = [Route("GET", "/-/error/{status}/", _fail)]
        self.site = Site(
            Router([*routes(self.pages), *extra]),
            prefix=prefix,
            finish=[self.sessions.finish],
            error_response=ErrorPage(self.renderer),
        )


async def _fail(request: Request) -> Response:
    status = int(request.params["status"])
    if status == 500:
        raise ZeroDivisionError
    headers = (("retry-after", "30"),) if status in {429, 503} else ()
    raise HttpError(status, "sample", headers=headers)


@contextlib.contextmanager
def served(house: SampleHouse) -> Iterator[str]:
    """Serve the site on a free port of the loopback in a thread of its own; gives the address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        house.site, log_config=None, log_level="critical", proxy_headers=False, ws="none", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    try:
        yield f"http://localhost:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


ADDRESSES = (
    *(f"/if/flow/{name}/" for name in SAMPLES if name != "autosubmit"),
    "/if/flow/validate/?method=static",
    "/if/flow/password/?step=again",
    "/if/user/",
    "/if/user/factors/totp-1/remove/",
    "/recovery/use-token/right/",
    "/recovery/break-glass/",
    *(f"/-/error/{status}/" for status in (400, 403, 404, 405, 421, 429, 500, 503)),
)
