"""The inputs of a program, by the names of `prelude.outside`. Only the used ones are built."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ostiary.sandbox.evaluation.expression_context import LOCATED, SUBJECT, ExpressionContext
from ostiary.sandbox.evaluation.http import http_values
from ostiary.sandbox.evaluation.object_fields import subject_values
from ostiary.sandbox.language.networks import network_values
from ostiary.sandbox.language.program import PreparedProgram

if TYPE_CHECKING:
    from ostiary.directory.user import Subject

_NOW: Final = 60_000_000  # microseconds: a trial of this minute is one of now
_CLOCKS: Final = re.compile(r"\bfrom time import\b|\btime\.(gmtime|localtime|strftime|time_ns)\(")
_PLAN: Final = "flow_plan"
_PENDING: Final = "pending_user"
_OF_USER: Final = frozenset({"attributes", "email", "is_active", "name", "path", "pk", "type", "username", "uuid"})
_APPLICATION: Final = "application"
_OWN: Final = frozenset({"provider", "token"})  # variables with a value of their own


def program_inputs(
    prepared: PreparedProgram,
    expression_context: ExpressionContext,
    people: Mapping[int, Subject | None],
    form: Sequence[tuple[str, str]] = (),
) -> dict[str, object]:
    """Return the inputs. `people` are the users that the context names (`pending_person`) and the visitor, by key."""
    known = LOCATED if expression_context.locate is not None else ()
    for key in prepared.keys:
        if key in known:
            continue
        expression_context.facts.get(key)  # for `ObservedFacts`, because the program has only a copy
    given = {name: _MADE[name](prepared, expression_context, people) for name in prepared.values - {"given_http"}}
    if "given_http" in prepared.values:
        given["given_http"] = _http(prepared, expression_context, people, form)
    return given


def pending_person(prepared: PreparedProgram, expression_context: ExpressionContext) -> int | None:
    """Return the primary key of the pending user, if the program reads it."""
    if not prepared.mentions(_PENDING):
        return None
    pending = expression_context.facts.get(_PENDING)
    pk = pending.get("pk") if isinstance(pending, Mapping) else None
    return pk if isinstance(pk, int) else None


def visiting_person(prepared: PreparedProgram, expression_context: ExpressionContext) -> int | None:
    """Return the number of who is signed in at the browser, where that is not the subject and a program looks."""
    if expression_context.visitor == SUBJECT or "given_http" not in prepared.values:
        return None
    return expression_context.visitor


def _facts(
    prepared: PreparedProgram, expression_context: ExpressionContext, people: Mapping[int, Subject | None]
) -> dict[str, object]:
    """Return the context without the plan, with the fields of objects."""
    facts = {
        **_names(prepared, expression_context, people),
        **{name: expression_context.facts[name] for name in expression_context.facts if name != _PLAN},
    }
    pending, application = facts.get(_PENDING), facts.get(_APPLICATION)
    if prepared.mentions(_PENDING) and isinstance(pending, Mapping):
        pk = pending.get("pk")
        subject = people.get(pk) if isinstance(pk, int) else None
        values = subject_values(subject, prepared.attributes)
        if subject is None:
            values["username"] = str(pending.get("username", ""))
        if "user_backend" in facts:
            values["backend"] = facts["user_backend"]
        facts[_PENDING] = values
    if prepared.mentions(_APPLICATION) and isinstance(application, Mapping):
        facts[_APPLICATION] = {"_kind": _APPLICATION, "pk": None, "name": "", "slug": "", **application}
    return facts


def _names(_prepared: PreparedProgram, expression_context: ExpressionContext, _people: object) -> dict[str, object]:
    return {name: value for name, value in expression_context.names.items() if name not in _OWN}


def _looked_up(prepared: PreparedProgram, expression_context: ExpressionContext, _people: object) -> dict[str, object]:
    """Return those values of the context that the program looks up by their keys."""
    facts, shared = expression_context.facts, expression_context.shared
    found = {name: facts[name] for name in prepared.keys if name in facts}
    if expression_context.in_flow:
        found.update({name: shared[name] for name in prepared.keys if name in shared})
    if any(name in LOCATED and name not in found for name in prepared.keys):
        return {**_located(expression_context), **found}
    return found


def _context(
    prepared: PreparedProgram, expression_context: ExpressionContext, people: Mapping[int, Subject | None]
) -> dict[str, object]:
    """Return `request.context`: in a flow without the plan, which is an input of its own."""
    own = expression_context.shared if expression_context.in_flow else _facts(prepared, expression_context, people)
    return {**_located(expression_context), **own}


def _located(expression_context: ExpressionContext) -> Mapping[str, object]:
    return {} if expression_context.locate is None else expression_context.locate()


def _user(prepared: PreparedProgram, expression_context: ExpressionContext, _people: object) -> dict[str, object]:
    if not prepared.fields:
        return subject_values(expression_context.subject, prepared.attributes)
    subject = expression_context.subject
    if subject is not None and prepared.fields <= _OF_USER:
        return {name: getattr(subject.user, name) for name in prepared.fields}
    values = subject_values(subject, prepared.fields)
    return {name: values[name] for name in prepared.fields}


def _group_names(_prepared: object, expression_context: ExpressionContext, _people: object) -> list[str]:
    subject = expression_context.subject
    return [] if subject is None else [group.name for group in subject.every_group]


def _client(_prepared: PreparedProgram, expression_context: ExpressionContext, _people: object) -> object:
    try:
        return None if expression_context.client_ip is None else network_values("address", expression_context.client_ip)
    except ValueError:
        return None


def _shift(_prepared: PreparedProgram, expression_context: ExpressionContext, _people: object) -> object:
    """Return how far the time that a trial supposes is from now; None for now itself."""
    shift = expression_context.now - time.time_ns() // 1_000
    return timedelta(microseconds=shift) if expression_context.trial and abs(shift) > _NOW else None


def other_clock(prepared: PreparedProgram, expression_context: ExpressionContext) -> bool:
    """Tell whether a program would look at the clock of today, though a trial supposes another time."""
    if _shift(prepared, expression_context, None) is None:
        return False
    return _CLOCKS.search(prepared.source) is not None


def _http(
    prepared: PreparedProgram,
    expression_context: ExpressionContext,
    people: Mapping[int, Subject | None],
    form: Sequence[tuple[str, str]],
) -> object:
    if expression_context.request is None:
        return None
    values = http_values(expression_context.request, expression_context.brand, form)
    if expression_context.visitor != SUBJECT:
        visitor = None if expression_context.visitor is None else people.get(expression_context.visitor)
        values["user"] = subject_values(visitor, prepared.attributes)
    return values


_MADE: Final[Mapping[str, Callable[[PreparedProgram, ExpressionContext, Mapping[int, Subject | None]], object]]] = {
    "given_user": _user,
    "given_group_names": _group_names,
    "given_facts": _looked_up,
    "given_context": _context,
    "given_plan": lambda prepared, expression_context, people: (
        _facts(prepared, expression_context, people) if expression_context.in_flow else None
    ),
    "given_object": lambda _prepared, expression_context, _: expression_context.bound,
    "given_provider": lambda _prepared, expression_context, _: expression_context.names.get("provider"),
    "given_token": lambda _prepared, expression_context, _: expression_context.names.get("token"),
    "given_client_ip": _client,
    "given_names": _names,
    "given_shift": _shift,
    "given_sso": lambda _prepared, expression_context, _: expression_context.is_sso,
    "given_networks": lambda prepared, _scene, _: prepared.networks,
}
