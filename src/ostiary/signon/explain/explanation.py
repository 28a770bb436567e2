"""The whole explanation of one person at one application, and the same as JSON data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ostiary.record import dataclass
from ostiary.signon.explain.changes import TriedChanges, changes_that_allow
from ostiary.signon.explain.examining import examine
from ostiary.signon.explain.situation import Examined, Situation
from ostiary.signon.explain.verdict import Reached, application_facts, reach, sign_on_provider

if TYPE_CHECKING:
    from ostiary.signon.explain.preview import ProtocolPreviews, Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why somebody may use an application, or not.

    `told` is what the application receives of whoever may use it, None without a protocol. `changes` would each alone
    turn a no into a yes.
    """

    situation: Situation
    reached: Reached
    policies: Examined
    told: Told | None = None
    changes: TriedChanges = TriedChanges()

    @property
    def depends(self) -> tuple[str, ...]:
        """What the verdict depends on that is not known here: facts of the sign-in, and what the network would tell."""
        runs = [run for run in self.reached.flows if run.role == "authorization"]
        examined = [self.policies, *(run.policies for run in runs)]
        examined += [place.policies for run in runs for place in run.places]
        return tuple(dict.fromkeys(name for one in examined if one is not None for name in one.depends))

    def data(self) -> dict[str, object]:
        """Return JSON data."""
        user, application = self.situation.subject.user, self.situation.application
        return {
            "user": {**user.who, "is_active": user.is_active},
            "application": {"pk": str(application.pk), "name": application.name, "slug": application.slug},
            "revision": self.situation.snapshot.number,
            "newest_revision": self.situation.newest_revision,
            "time": self.situation.now,
            "client_ip": self.situation.client_ip,
            "allowed": self.reached.allowed,
            "reasons": list(self.reached.reasons),
            "policies": _data(self.policies),
            "flows": [_data(run) for run in self.reached.flows],
            "claims": None if self.told is None else _data(self.told.claims),
            "failed_mappings": {} if self.told is None else dict(self.told.failed),
            "depends": list(self.depends),
            "changes": [{"kind": one.kind, "object": one.object, "words": one.words} for one in self.changes.found],
            "changes_tried": self.changes.tried,
            "changes_complete": self.changes.complete,
        }


async def explain(situation: Situation, previews: ProtocolPreviews) -> Explanation:
    """Decide, and say why. Nothing is written, and nobody is asked over the network."""
    facts = application_facts(situation, previews)
    reached = await reach(situation, facts)
    _, policies = await examine(
        str(situation.application.pk),
        situation.application.policy_engine_mode,
        situation,
        subject=situation.subject,
        facts=facts,
    )
    preview = previews.of(sign_on_provider(situation))
    return Explanation(
        situation=situation,
        reached=reached,
        policies=policies,
        told=None if preview is None else await preview.told(situation),
        changes=TriedChanges() if reached.allowed else await changes_that_allow(situation, facts),
    )


def _data(value: object) -> object:
    """Return the fields of records as plain data."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found: dict[str, object] = {item.name: _data(getattr(value, item.name)) for item in dataclasses.fields(value)}
        if isinstance(value, Examined):
            found["depends"] = list(value.depends)
        return found
    if isinstance(value, Mapping):
        return {str(name): _data(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_data(item) for item in value]
    return value
