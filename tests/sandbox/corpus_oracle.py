"""Runs an expression as plain Python, with the stand-ins of `corpus_house`.

This is what the sandbox is compared with. It has no rights to take away and no limits: it runs what stands in this
repository alone.
"""

from __future__ import annotations

import builtins
import datetime as dt
import html
import inspect
import ipaddress
import json
import re
import textwrap
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from corpus_cases import Outcome, Run
from corpus_house import FieldError, Group, House, OAuthSource, Plan, Query, Session, SkipObject, User, plain


def evaluate(run: Run, world: Mapping[str, Any]) -> Outcome:
    """Run an expression."""
    return Evaluation(run, world).outcome()


class Evaluation:
    """One run: its names, and what was done."""

    def __init__(self, run: Run, world: Mapping[str, Any]) -> None:
        self.run, self.world = run, json.loads(json.dumps(world))
        self.house = House(self.world)
        self.done = Outcome()
        given = run.given
        user = given.get("user", "nora")
        self.user = self.house.nobody if user == "anonymous" else self.house.users[user]
        self.ip = ipaddress.ip_address(given.get("ip", "192.0.2.10"))
        self.http = self._http(given.get("http", {}))
        plan = self.house.thing(given["flow"]) if "flow" in given else None
        self.plan = None if plan is None else Plan(plan)
        names = {**self._defaults(), **self.house.thing(given.get("names", {}))}
        self.context = {**(plan or {}), **self.house.thing(given.get("context", {})), **names}
        if self.plan is not None:
            self.context["flow_plan"] = self.plan
        self.request = SimpleNamespace(
            user=self.user, http_request=self.http, obj=None, context=self.context, debug=False
        )
        self.names = names

    def outcome(self) -> Outcome:
        try:
            self.done.returned = plain(self._called(self.run.expression, self.done.messages))
        except Exception as raised:
            self.done.raised = type(raised).__name__
        self.done.plan = None if self.plan is None else plain(self.plan.context)
        self.done.after = {name: plain(self.names[name]) for name in self.run.expected.get("after", {})}
        return self.done

    def _http(self, values: Any) -> Any:
        if values is None:
            return None
        headers = values.get("headers", {})
        meta = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()}
        tenant = SimpleNamespace(
            default_user_change_email=False, default_user_change_name=True, default_user_change_username=False
        )
        return SimpleNamespace(
            method=values.get("method", "GET"),
            path=values.get("path", "/if/flow/front/"),
            GET=values.get("get", {}),
            POST=values.get("post", {}),
            META={**meta, "REMOTE_ADDR": str(self.ip)},
            headers=headers,
            COOKIES={},
            session=Session(),
            brand=self.house.brand,
            tenant=tenant,
            user=self.house.users[values["user"]] if "user" in values else self.user,
        )

    def _defaults(self) -> dict[str, Any]:
        kind = self.run.kind
        if kind in {"scope", "saml", "scim-user", "scim-group"}:
            return {"provider": self.house.applications["wiki"].provider, "connection": None}
        if kind == "webhook":
            event = SimpleNamespace(
                action="login", context={}, user={"username": "nora", "email": "nora@fjordhus.example"}
            )
            return {"notification": SimpleNamespace(body="Somebody came in", severity="notice", event=event)}
        if kind == "prompt":
            return {"prompt_context": self.house.thing(self.run.given.get("prompt_context", {}))}
        if kind.endswith("source"):
            return {
                "source": self.house.sources[self.run.given.get("source", "tree")],
                "client": self._requests(),
                "properties": {},
            }
        return {}

    def _called(self, expression: str, messages: list[str]) -> Any:
        names = {
            **self.names,
            "user": self.user,
            "request": self.request,
            "http_request": self.http,
            "context": self.context,
            "ak_client_ip": self.ip,
            "ak_is_sso_flow": self.context.get("is_sso", False),
            "ak_message": messages.append,
            **self._functions(),
        }
        body = textwrap.indent(expression, "    ")
        scope: dict[str, Any] = {"__builtins__": {**vars(builtins), "__import__": self._import}}
        exec(f"def expression({', '.join(names)}):\n{body}", scope)  # noqa: S102 - cases of this repository
        value = scope["expression"](**names)
        return list(value) if inspect.isgenerator(value) else value

    def _functions(self) -> dict[str, Any]:
        return {
            "ak_is_group_member": lambda user, **filters: user.all_groups().filter(**filters).exists(),
            "ak_user_by": self._user_by,
            "ak_user_has_authenticator": lambda user, device_type=None: (
                device_type in user.authenticators if device_type else bool(user.authenticators)
            ),
            "ak_call_policy": self._call_policy,
            "ak_create_event": lambda action, **more: self.done.events.append([action, plain(more)]),
            "ak_send_email": self._mail,
            "ak_logger": SimpleNamespace(
                **{level: self._log(level) for level in ("debug", "info", "warning", "warn", "error")}
            ),
            "ip_address": ipaddress.ip_address,
            "ip_network": ipaddress.ip_network,
            "list_flatten": lambda value: (value[0] if value else None) if isinstance(value, list) else value,
            "regex_match": lambda value, regex: re.search(regex, value) is not None,
            "regex_replace": lambda value, regex, repl: re.sub(regex, repl, value),
            "requests": self._requests(),
            "resolve_dns": self._resolve,
            "reverse_dns": lambda address: self.world["reverse"].get(address, address),
            "slugify": _slug,
            "SkipObject": SkipObject,
        }

    def _user_by(self, **filters: Any) -> Any:
        try:
            return User.objects.filter(**filters).first()
        except FieldError:
            return None

    def _call_policy(self, name: str, **more: Any) -> Any:
        if name not in self.world["policies"]:
            raise ValueError(name)
        kept = dict(self.context)
        messages: list[str] = []
        self.context.update(more)
        try:
            value = self._called(self.world["policies"][name], messages)
        finally:
            self.context.clear()
            self.context.update(kept)
        return SimpleNamespace(passing=bool(value), messages=messages, raw_result=value)

    def _mail(self, address: Any, subject: str, body: str = "", **_more: Any) -> bool:
        to = [address] if isinstance(address, str) else list(address)
        self.done.mails.append({"to": to, "subject": subject, "body": body})
        return True

    def _log(self, level: str) -> Callable[..., None]:
        return lambda line, **_more: self.done.log.append(["warning" if level == "warn" else level, line])

    def _resolve(self, host: str, ip_version: int | None = None) -> list[str]:
        found: list[str] = self.world["names"].get(host, [])
        return [one for one in found if ip_version is None or ipaddress.ip_address(one).version == ip_version]

    def _requests(self) -> Any:
        def answer(url: str, **_more: Any) -> Any:
            if url not in self.world["answers"]:
                raise OSError(url)
            return SimpleNamespace(
                status_code=200, ok=True, json=lambda: self.world["answers"][url], raise_for_status=lambda: None
            )

        return SimpleNamespace(get=answer, post=answer, do_request=lambda _method, url, **more: answer(url, **more))

    def _import(self, name: str, *more: Any) -> Any:
        stands_in: dict[str, Any] = {
            "authentik.core.models": SimpleNamespace(
                User=User,
                Group=Group,
                USER_ATTRIBUTE_CHANGE_EMAIL="goauthentik.io/user/can-change-email",
                USER_ATTRIBUTE_CHANGE_NAME="goauthentik.io/user/can-change-name",
                USER_ATTRIBUTE_CHANGE_USERNAME="goauthentik.io/user/can-change-username",
                USER_PATH_SERVICE_ACCOUNT="goauthentik.io/service-accounts",
                UserTypes=SimpleNamespace(SERVICE_ACCOUNT="service_account"),
            ),
            "authentik.stages.authenticator": SimpleNamespace(devices_for_user=_devices),
            "authentik.stages.authenticator_webauthn.models": SimpleNamespace(
                WebAuthnDevice=SimpleNamespace(objects=SimpleNamespace(filter=_passkeys))
            ),
            "authentik.flows.models": SimpleNamespace(
                Flow=SimpleNamespace(objects=SimpleNamespace(filter=lambda **_: SimpleNamespace(update=lambda **_: 1))),
                FlowAuthenticationRequirement=SimpleNamespace(REQUIRE_SUPERUSER="require_superuser"),
            ),
            "msgraph.generated.models.password_profile": SimpleNamespace(PasswordProfile=SimpleNamespace),
            "authentik.sources.oauth.models": SimpleNamespace(OAuthSource=OAuthSource),
            "django.utils.html": SimpleNamespace(escape=lambda text: html.escape(str(text))),
            "datetime": self._datetime() if self.run.given.get("clock") else dt,
        }
        return stands_in[name] if name in stands_in else __import__(name, *more)

    def _datetime(self) -> Any:
        now = dt.datetime.fromisoformat(self.world["now"])
        clock = type("datetime", (dt.datetime,), {"now": staticmethod(lambda zone=None: now.astimezone(zone))})
        return SimpleNamespace(**{**vars(dt), "datetime": clock})


def _slug(text: str) -> str:
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", text.lower())).strip("-_")


def _devices(user: Any, confirmed: bool = True) -> list[Any]:
    classes = {"totp": "TOTPDevice", "static": "StaticDevice", "webauthn": "WebAuthnDevice"}
    return [type(classes[kind], (), {})() for kind in user.authenticators]


def _passkeys(user: Any, **_more: Any) -> Query:
    return Query([kind for kind in user.authenticators if kind == "webauthn"])
