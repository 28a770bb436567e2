"""The explanation of a user's access to an application, also as JSON data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ostiary.record import dataclass
from ostiary.signon.explain.changes import TriedChanges, changes_that_allow
from ostiary.signon.explain.decision_details import decide_in_detail
from ostiary.signon.explain.situation import DecisionDetails, Situation
from ostiary.signon.explain.verdict import AccessVerdict, application_facts, decide_verdict, sign_on_provider

if TYPE_CHECKING:
    from ostiary.signon.explain.preview import ProtocolPreviews, ReleasedClaims


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a user may use an application, or not.

    `released` are the claims that the application would receive, None without a protocol. Each of the `changes` alone
    would grant access.
    """

    situation: Situation
    verdict: AccessVerdict
    policies: DecisionDetails
    released: ReleasedClaims | None = None
    changes: TriedChanges = TriedChanges()

    @property
    def depends(self) -> tuple[str, ...]:
        """The unknowns that the verdict depends on: facts of the sign-in, and responses from the network."""
        runs = [run for run in self.verdict.flows if run.role == "authorization"]
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
            "allowed": self.verdict.allowed,
            "reasons": list(self.verdict.reasons),
            "policies": plain_data(self.policies),
            "flows": [plain_data(run) for run in self.verdict.flows],
            "claims": None if self.released is None else plain_data(self.released.claims),
            "failed_mappings": {} if self.released is None else dict(self.released.failed),
            "depends": list(self.depends),
            "changes": [{"kind": one.kind, "object": one.object, "words": one.words} for one in self.changes.found],
            "changes_tried": self.changes.tried,
            "changes_complete": self.changes.complete,
        }


async def explain(situation: Situation, previews: ProtocolPreviews) -> Explanation:
    """Decide and explain. Nothing is written, and no network request is made."""
    facts = application_facts(situation, previews)
    verdict = await decide_verdict(situation, facts)
    _, policies = await decide_in_detail(
        str(situation.application.pk),
        situation.application.policy_engine_mode,
        situation,
        subject=situation.subject,
        facts=facts,
    )
    preview = previews.of(sign_on_provider(situation))
    return Explanation(
        situation=situation,
        verdict=verdict,
        policies=policies,
        released=None if preview is None else await preview.released(situation),
        changes=TriedChanges() if verdict.allowed else await changes_that_allow(situation, facts),
    )


def plain_data(value: object) -> object:
    """Return the fields of records as plain data."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found: dict[str, object] = {
            item.name: plain_data(getattr(value, item.name)) for item in dataclasses.fields(value)
        }
        if isinstance(value, DecisionDetails):
            found["depends"] = list(value.depends)
        return found
    if isinstance(value, Mapping):
        return {str(name): plain_data(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain_data(item) for item in value]
    return value
