"""Runs the cases of `corpus/` in Ostiary's sandbox: with a real directory, and with what rooms tell the sandbox."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import re
import urllib.parse
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final, cast

from corpus_cases import Outcome, Ref, Run

from ostiary.directory.authenticators.devices import Devices
from ostiary.directory.passwords.credentials import unusable
from ostiary.directory.rows import members
from ostiary.directory.rows.found import Finder
from ostiary.directory.rows.group_rows import insert_group
from ostiary.directory.user import User
from ostiary.directory.users import Users, insert
from ostiary.sandbox.evaluation.errors import ExpressionFailed
from ostiary.sandbox.evaluation.evaluator import Evaluator
from ostiary.sandbox.evaluation.expression_context import SUBJECT, Expression, ExpressionContext
from ostiary.sandbox.evaluation.functions import Functions
from ostiary.sandbox.evaluation.object_fields import ObjectReference
from ostiary.sandbox.evaluation.result import Evaluation
from ostiary.sandbox.evaluation.runner import Runner
from ostiary.sandbox.language.names import MAPPINGS, POLICY, PROMPT, Dialect
from ostiary.sandbox.workers import HostError, HostFunction, Workers
from ostiary.store.database import Database
from ostiary.store.workspace.commit import run as written
from ostiary.web.request import Request

_FORM: Final = "application/x-www-form-urlencoded"
NOW: Final = 1_776_245_400_000_000  # microseconds: `now` of the world
_DIALECTS: Final[Mapping[str, Dialect]] = {
    **MAPPINGS,
    "policy": POLICY,
    "prompt": PROMPT,
    "source": MAPPINGS["scim-source"],
    "scim-user": MAPPINGS["scim"],
    "scim-group": MAPPINGS["scim"],
}


@dataclass(frozen=True)
class House:
    """The world of the corpus in a directory: numbers of users and keys of groups, by name."""

    world: Mapping[str, Any]
    users: Users
    people: Mapping[str, int]
    groups: Mapping[str, str]
    evaluator: Evaluator


@asynccontextmanager
async def opened(database: Database, world: Mapping[str, Any]) -> AsyncIterator[House]:
    """Fill a database with the world, and run expressions in it."""
    groups = {name: str(uuid.uuid5(uuid.NAMESPACE_DNS, name)) for name in world["groups"]}
    people = {name: number for number, name in enumerate(world["users"], 1)}
    await database.write(lambda: written([*_groups(world, groups), *_users(world, people, groups)]))
    users = Users(database, install_id="fjord")
    workers = Workers()
    devices = cast(
        "Devices", _Devices({people[name]: one.get("authenticators", []) for name, one in world["users"].items()})
    )
    runner = _Runner(workers, Functions(users, devices, Finder(database)), world)
    yield House(world, users, people, groups, Evaluator(lambda: runner))
    await workers.close()


def _groups(world: Mapping[str, Any], keys: Mapping[str, str]) -> list[Any]:
    made: list[Any] = []
    for name, one in world["groups"].items():
        made.append(
            insert_group(
                keys[name], name, superuser=one.get("is_superuser", False), attributes=one.get("attributes", {})
            )
        )
        made += members.parents(keys[name], None, {"parents": tuple(keys[above] for above in one.get("parents", []))})
    return made


def _users(world: Mapping[str, Any], people: Mapping[str, int], keys: Mapping[str, str]) -> list[Any]:
    made: list[Any] = []
    for name, one in world["users"].items():
        last = one.get("last_login")
        user = User(
            pk=people[name], uuid=str(uuid.uuid5(uuid.NAMESPACE_DNS, name)), username=name, name=one["name"],
            email=one["email"], is_active=one.get("is_active", True), type=one.get("type", "internal"),
            path=one.get("path", "users"), attributes=one["attributes"], password="hash" if one.get("is_active", True) else unusable(),
            last_login=int(dt.datetime.fromisoformat(last).timestamp() * 1_000_000) if last else None,
            date_joined=NOW, password_change_date=NOW, last_updated=NOW,
        )  # fmt: skip
        made.append(insert(user))
        made += [members.join(members.USER_GROUPS, people[name], keys[group]) for group in one["groups"]]
    return made


class _Runner(Runner):
    """The runner, in a world whose machines answer as the world says."""

    def __init__(self, workers: Workers, functions: Functions, world: Mapping[str, Any]) -> None:
        super().__init__(workers, functions)
        self._world = world

    def _answers(self, *of: Any) -> Mapping[str, HostFunction]:
        def fetch(_method: str, url: str, _options: object) -> object:
            if url not in self._world["answers"]:
                raise HostError(url, OSError)
            text = json.dumps(self._world["answers"][url])
            return {"status": 200, "reason": "OK", "headers": {}, "content": text.encode(), "text": text, "url": url}

        def addresses(host: str, version: int | None) -> list[str]:
            found = self._world["names"].get(host, [])
            return [one for one in found if version is None or ipaddress.ip_address(one).version == version]

        def name(address: str) -> object:
            return self._world["reverse"].get(address, address)

        world: dict[str, HostFunction] = {"host_fetch": fetch, "host_addresses": addresses, "host_name": name}
        return {key: world.get(key, found) for key, found in super()._answers(*of).items()}


class _Devices:
    """Devices by the number of their user."""

    def __init__(self, held: Mapping[int, list[str]]) -> None:
        self._held = held

    async def of_user(self, user: int) -> list[Any]:
        times = {"created": NOW, "last_updated": NOW, "last_used": None}
        return [
            SimpleNamespace(device_class=name, pk=number, user=user, name=name, confirmed=True, **times)
            for number, name in enumerate(self._held[user], 1)
        ]


async def evaluate(house: House, run: Run) -> Outcome:
    """Run an expression. Raises ExpressionRefused."""
    kind = run.kind
    dialect = _DIALECTS[kind]
    given, seen = run.given, _Seen(house)
    who = given.get("user", "nora")
    subject = None if who == "anonymous" else await house.users.subject(house.people[who])
    names = {**_defaults(house, run, seen), **seen.value(given.get("names", {}))}
    prompt = {"prompt_context": seen.value(given.get("prompt_context", {}))} if kind == "prompt" else {}
    flow, context = seen.value(given.get("flow")), {**seen.value(given.get("context", {}))}
    expression_context = ExpressionContext(
        subject=subject,
        now=NOW,
        facts={**context, **prompt} if flow is None else flow,
        in_flow=flow is not None,
        shared=context if flow is not None else {},
        is_sso=bool((flow or context).get("is_sso")),
        client_ip=str(given.get("ip", "192.0.2.10")),
        request=_request(given.get("http", {}), str(given.get("ip", "192.0.2.10"))),
        brand=house.world["brand"],
        visitor=house.people[given["http"]["user"]] if "user" in (given.get("http") or {}) else SUBJECT,
        names=names,
        call_policy=_calls(house, run),
    )
    outcome = Outcome(plan=seen.plain(given.get("flow")))
    try:
        found = await house.evaluator.evaluate(Expression(run.expression, dialect, run.case), expression_context)
    except ExpressionFailed as error:
        outcome.raised = _exception(str(error))
        return outcome
    _tell(outcome, found, seen)
    return outcome


def _exception(message: str) -> str:
    found = re.match(r"(?:line \d+: )?(\w+)(?::|$)", message)
    if "matching query does not exist" in message:
        return "DoesNotExist"
    return message if found is None else found[1]


def _tell(outcome: Outcome, found: Evaluation, seen: _Seen) -> None:
    if found.skipped:
        outcome.raised = "SkipObject"
    outcome.returned = seen.plain(found.value)
    if found.value is None:
        outcome.returned = found.passing or None
    effects = found.effects
    outcome.messages = list(effects.messages)
    outcome.events = [[one.action, seen.plain(dict(one.context))] for one in effects.events]
    outcome.mails = [dict(one) for one in effects.mails]
    outcome.log = [[line.level, line.text] for line in effects.log]
    if effects.plan is not None:
        outcome.plan = seen.plain(dict(effects.plan))


class _Seen:
    """What rooms tell the sandbox of the world's things, and back."""

    def __init__(self, house: House) -> None:
        self._house = house

    def value(self, value: Any) -> Any:
        """Return a value with what a plan or a mapping knows of things."""
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return self._thing(value) if isinstance(value, Ref) else value

    def _thing(self, one: Ref) -> Any:
        world = self._house.world
        match one.kind:
            case "user":
                return {"pk": self._house.people[one.name], "username": one.name}
            case "group":
                attributes = world["groups"][one.name].get("attributes", {})
                return {
                    "_kind": "group",
                    "pk": self._house.groups[one.name],
                    "name": one.name,
                    "attributes": attributes,
                }
            case "application":
                return application(world, one.name)
            case "source":
                return {
                    "_kind": world["sources"][one.name]["kind"] + "source",
                    "pk": one.name,
                    "slug": one.name,
                    **world["sources"][one.name],
                }
        return {"_kind": one.kind, "pk": None, "name": "", **self.value(dict(one.values))}

    def plain(self, value: Any) -> Any:
        """Return a value as cases write it."""
        if isinstance(value, ObjectReference):
            return Ref(value.kind, value.name)
        if isinstance(value, dict):
            if value.keys() == {"pk", "username"}:
                return Ref("user", value["username"])
            return {key: self.plain(item) for key, item in value.items()}
        return [self.plain(item) for item in value] if isinstance(value, list) else value


def application(world: Mapping[str, Any], slug: str) -> dict[str, object]:
    """Return what the sandbox is told of an application."""
    one = world["applications"][slug]
    return {
        "_kind": "application", "pk": slug, "pbm_uuid": slug, "slug": slug, "name": one["name"], "group": one["group"],
        "meta_launch_url": one["meta_launch_url"],
        "_entitlements": [
            {
                "pk": name, "name": name, "attributes": entitlement["attributes"],
                "_users": [list(world["users"]).index(user) + 1 for user in entitlement.get("users", [])],
                "_groups": [str(uuid.uuid5(uuid.NAMESPACE_DNS, group)) for group in entitlement.get("groups", [])],
            }
            for name, entitlement in sorted(one["entitlements"].items())
        ],
    }  # fmt: skip


def _defaults(house: House, run: Run, seen: _Seen) -> dict[str, object]:
    if run.kind in {"scope", "saml", "scim-user", "scim-group"}:
        provider = {"pk": 1, "name": "wiki-oidc", "client_id": "wiki", "_application": application(house.world, "wiki")}
        return {"provider": provider, "connection": None}
    if run.kind == "webhook":
        who = {"username": "nora", "email": "nora@fjordhus.example"}
        event = {"_kind": "event", "action": "login", "context": {}, "user": who}
        return {
            "notification": {"_kind": "notification", "body": "Somebody came in", "severity": "notice", "event": event}
        }
    if run.kind.endswith("source"):
        return {"source": seen.value(Ref("source", run.given.get("source", "tree"))), "properties": {}}
    return {}


def _request(values: Any, client: str) -> Request | None:
    if values is None:
        return None
    return Request(
        method=values.get("method", "GET"),
        path=values.get("path", "/if/flow/front/"),
        query=urllib.parse.urlencode(values.get("get", {})),
        headers={"content-type": _FORM, **{name.lower(): value for name, value in values.get("headers", {}).items()}},
        body=urllib.parse.urlencode(values.get("post", {})).encode(),
        client=client,
    )


def _calls(house: House, run: Run) -> Any:
    async def call(name: str, context: Mapping[str, object]) -> Mapping[str, object]:
        inner = Run(
            case=run.case, origin=run.origin, number=run.number, kind="policy", expression=house.world["policies"][name],
            given={**run.given, "context": {**run.given.get("context", {}), **context}}, expected={},
        )  # fmt: skip
        outcome = await evaluate(house, inner)
        passing = bool(outcome.returned)
        return {"passing": passing, "messages": outcome.messages, "raw_result": outcome.returned}

    return call
