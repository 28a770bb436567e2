"""Events in words: a sentence for a list, and all details of a single event."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, cast

from ostiary.events.repository import Event

_NO_NAMES: Final[Mapping[str, str]] = MappingProxyType({})
NOBODY: Final = "somebody"
"""The name of an unauthenticated user."""

_ACTION: Final = "custom_"
_SECONDS: Final = len("2026-01-31T12:00:00")
HOW: Final[Mapping[str, str]] = {
    "static": "compared",
    "native": "a stock expression",
    "recognised": "a simple expression",
    "executed": "an expression",
    "rules": "its own rules",
    "failed": "could not be evaluated",
    "disabled": "disabled",
}
"""How a binding was evaluated (`policies.trace.How`), in words."""


def sentence(event: Event) -> str:
    """Return an event as one sentence, without a full stop."""
    in_words = _SENTENCES.get(event.action)
    return in_words(event) if in_words is not None else _plain(event)


def story(event: Event, names: Mapping[str, str] = _NO_NAMES) -> Iterator[str]:
    """Yield the lines of an event: its sentence, the policy trace, and all recorded details.

    `names` are the names of groups and users by primary key (as text), which a trace does not contain.
    """
    yield sentence(event)
    details = dict(event.context)
    trace = details.pop("trace", None)
    if isinstance(trace, Mapping):
        yield ""
        yield from decision(trace, names)
    yield ""
    yield f"event: {event.pk}"
    yield f"action: {event.action}"
    if event.client_ip:
        yield f"address: {event.client_ip}"
    for name, value in sorted(details.items()):
        yield from _detail(name, value)


def decision(trace: Mapping[str, object], names: Mapping[str, str] = _NO_NAMES) -> Iterator[str]:
    """Yield the lines of a decision: the result, then each binding with its own result. `names` as in `story`."""
    result = "allowed" if trace.get("passing") else "refused"
    yield f"The policies {result} it ({requirement(trace.get('mode'))}; revision {trace.get('revision')}):"
    steps = trace.get("steps")
    for step in steps if isinstance(steps, Sequence) else ():
        if isinstance(step, Mapping):
            yield f"  {binding_line(step, name=names.get(str(step.get('object'))))}"


def named_in(event: Event) -> Iterator[tuple[str, object]]:
    """Yield kind ("group", "user") and primary key of each group and user of a trace."""
    trace = event.context.get("trace")
    steps = trace.get("steps") if isinstance(trace, Mapping) else None
    for step in steps if isinstance(steps, Sequence) else ():
        if isinstance(step, Mapping) and step.get("kind") in {"group", "user"} and not step.get("name"):
            yield str(step["kind"]), step.get("object")


def requirement(mode: object) -> str:
    """Return the requirement of a policy engine mode, "any" or "all"."""
    return "any of these must pass" if mode == "any" else "all of these must pass"


def binding_line(
    step: Mapping[str, object], *, name: str | None = None, more: Sequence[str] = (), cost: str = ""
) -> str:
    """Return the line of one step of a trace: its result, and how it was evaluated.

    `name` is that of the group or user, if the trace has only its key. `more` are further notes. `cost` precedes the
    binding.
    """
    kind, name = step.get("kind"), name or str(step.get("name") or step.get("object"))
    result = {True: "yes", False: "no"}.get(cast("bool", step.get("result")), "not evaluated")
    notes = [HOW.get(str(step.get("how")), str(step.get("how")))]
    if isinstance(step.get("duration"), int):
        notes[0] += f" for {step['duration']} µs"
    if step.get("negate"):
        notes.append("negated")
    if step.get("error"):
        notes.append(str(step["error"]))
    messages = step.get("messages")
    notes += [f'"{message}"' for message in messages] if isinstance(messages, Sequence) else []
    effects = step.get("effects")
    notes += [str(effect) for effect in effects] if isinstance(effects, Sequence) else []
    notes += more
    return f"{result}: {kind} {name} ({'; '.join(notes)}), {f'{cost}, ' if cost else ''}binding {step.get('binding')}"


def _detail(name: str, value: object, depth: int = 0) -> Iterator[str]:
    pad = "  " * depth
    if isinstance(value, Mapping):
        yield f"{pad}{name}:"
        for inner, item in value.items():
            yield from _detail(str(inner), item, depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield f"{pad}{name}: {', '.join(str(item) for item in value)}"
    else:
        yield f"{pad}{name}: {value}"


def _who(event: Event) -> str:
    return str(event.user.get("username") or NOBODY)


def _text(event: Event, name: str) -> str:
    return str(event.context.get(name) or "")


def _of(event: Event, *names: str) -> str:
    """Return the name of an object in the context."""
    for name in names:
        value = event.context.get(name)
        if isinstance(value, Mapping):
            return str(value.get("name") or value.get("pk") or "")
    return ""


def _refused(event: Event) -> str:
    where = _text(event, "where") + (f", stage {_text(event, 'stage')}" if event.context.get("stage") else "")
    application = _of(event, "application") or _text(event, "client_id")
    at = f" for {application}" if application else ""
    offered = f"; address in the request: {event.context['offered']}" if event.context.get("offered") else ""
    if event.context.get("nearest"):
        offered += f"; nearest listed address: {event.context['nearest']}"
    more, reason = offered + _requests(event), _text(event, "reason")
    return f"{_who(event)} was refused at {where}{at}: {reason.removesuffix('.') if more else reason}{more}"


def _requests(event: Event) -> str:
    """Return the number and times of the requests of an outage."""
    requests = event.context.get("requests")
    if not isinstance(requests, int):
        return ""
    since, until = (f"{_text(event, name)[:_SECONDS]}Z" for name in ("since", "until"))
    return f"; {requests} requests, from {since} to {until}"


def _model(verb: str) -> Callable[[Event], str]:
    def in_words(event: Event) -> str:
        model = event.context.get("model")
        kind = str(model.get("model_name", "object")) if isinstance(model, Mapping) else "object"
        diff = event.context.get("diff")
        fields = f": {', '.join(diff)}" if verb == "changed" and isinstance(diff, Mapping) else ""
        return f"{_who(event)} {verb} {kind} {_of(event, 'model')}{fields}"

    return in_words


def _failed(event: Event) -> str:
    stage = {"password": "the password was wrong", "authenticator_validate": "the second factor was wrong"}
    return f"{_who(event)} could not sign in: {stage.get(_text(event, 'stage'), _text(event, 'stage'))}"


def _signed_in(event: Event) -> str:
    method = _text(event, "auth_method")
    return f"{_who(event)} signed in{f' ({method})' if method else ''}"


def _authorized(event: Event) -> str:
    return f"{_who(event)} signed in to {_of(event, 'authorized_application')}"


def _message(start: str) -> Callable[[Event], str]:
    return lambda event: f"{start}: {_text(event, 'message')}"


def _exception(kind: str, *names: str) -> Callable[[Event], str]:
    def in_words(event: Event) -> str:
        label = next((_text(event, name) for name in names if event.context.get(name)), "")
        return f"{kind} {label} failed for {_who(event)}: {_text(event, 'message')}"

    return in_words


def _plain(event: Event) -> str:
    name = event.action.removeprefix(_ACTION).replace("_", " ")
    message = _text(event, "message") or _of(event, "model", "authorized_application", "application")
    return f"{_who(event)}: {name}{f': {message}' if message else ''}"


_SENTENCES: Final[Mapping[str, Callable[[Event], str]]] = {
    "login": _signed_in,
    "login_failed": _failed,
    "logout": lambda event: f"{_who(event)} signed out",
    "password_set": lambda event: f"the password of {_who(event)} was set",
    "authorize_application": _authorized,
    "custom_refused": _refused,
    "suspicious_request": _message("suspicious request"),
    "configuration_error": _message("configuration error"),
    "configuration_warning": _message("configuration warning"),
    "policy_execution": _message("policy execution"),
    "policy_exception": _exception("policy", "policy", "binding"),
    "property_mapping_exception": _exception("property mapping", "name", "mapping"),
    "model_created": _model("created"),
    "model_updated": _model("changed"),
    "model_deleted": _model("deleted"),
}
