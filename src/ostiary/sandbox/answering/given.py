"""The values that a program is started with, by the names of `prelude.outside`: those that it uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from ostiary.sandbox.answering.http import http_values
from ostiary.sandbox.answering.scene import Scene
from ostiary.sandbox.answering.views import subject_values
from ostiary.sandbox.language.networks import network_values
from ostiary.sandbox.language.program import Prepared

if TYPE_CHECKING:
    from ostiary.directory.user import Subject

_PLAN: Final = "flow_plan"
_PENDING: Final = "pending_user"
_APPLICATION: Final = "application"


def given_values(prepared: Prepared, scene: Scene, people: Mapping[int, Subject | None]) -> dict[str, object]:
    """Return the values. `people` are those that the context names (`pending_person`), by their numbers."""
    for key in prepared.keys:
        scene.facts.get(key)  # whoever watches what is looked up learns it: the program has a copy
    return {name: _MADE[name](prepared, scene, people) for name in prepared.values}


def pending_person(prepared: Prepared, scene: Scene) -> int | None:
    """Return the number of the pending user, where a program looks at them."""
    if not prepared.mentions(_PENDING):
        return None
    pending = scene.facts.get(_PENDING)
    pk = pending.get("pk") if isinstance(pending, Mapping) else None
    return pk if isinstance(pk, int) else None


def _facts(prepared: Prepared, scene: Scene, people: Mapping[int, Subject | None]) -> dict[str, object]:
    """Return the context as it goes in, without the plan; objects have their values."""
    facts = {name: scene.facts[name] for name in scene.facts if name != _PLAN}
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


def _client(_prepared: Prepared, scene: Scene, _people: object) -> object:
    try:
        return None if scene.client_ip is None else network_values("address", scene.client_ip)
    except ValueError:
        return None


def _http(_prepared: Prepared, scene: Scene, _people: object) -> object:
    return None if scene.request is None else http_values(scene.request, scene.brand)


_MADE: Final[Mapping[str, Callable[[Prepared, Scene, Mapping[int, Subject | None]], object]]] = {
    "given_user": lambda prepared, scene, _: subject_values(scene.subject, prepared.attributes),
    "given_context": lambda prepared, scene, people: scene.beside if scene.in_flow else _facts(prepared, scene, people),
    "given_plan": lambda prepared, scene, people: _facts(prepared, scene, people) if scene.in_flow else None,
    "given_http": _http,
    "given_object": lambda _prepared, scene, _: scene.bound,
    "given_provider": lambda _prepared, scene, _: scene.names.get("provider"),
    "given_token": lambda _prepared, scene, _: scene.names.get("token"),
    "given_client_ip": _client,
    "given_sso": lambda _prepared, scene, _: scene.is_sso,
    "given_networks": lambda prepared, _scene, _: prepared.networks,
}
