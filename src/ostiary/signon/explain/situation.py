"""The situation to explain: user, time, client address and configuration, and perhaps an application."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ostiary.directory.group_tree import GroupTree
from ostiary.policies.context import PolicyContext
from ostiary.policies.services import NO_SERVICES
from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.applications.resources import Application
    from ostiary.directory.user import Subject
    from ostiary.policies.services import PolicyServices
    from ostiary.sandbox.evaluation.evaluator import Evaluator
    from ostiary.store.configuration.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSituation:
    """A user at the time `now`, in microseconds UTC. `client_ip` is the client's address.

    `snapshot` may be an older revision than `newest_revision`; users and groups are always the present ones.
    `policy_services` are for policies.
    """

    subject: Subject
    snapshot: Snapshot
    groups: GroupTree
    now: int
    client_ip: str | None = None
    newest_revision: int | None = None
    policy_services: PolicyServices = NO_SERVICES

    def context(self, facts: ObservedFacts, *, is_sso: bool = False, in_flow: bool = False) -> PolicyContext:
        """Return the context of policies, as a trial: their effects are not carried out."""
        return PolicyContext(
            now=self.now,
            client_ip=self.client_ip,
            is_sso=is_sso,
            facts=facts,
            in_flow=in_flow,
            services=self.policy_services,
            trial=True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation(UserSituation):
    """The same at the door of an application.

    `host` and `base_url` are ours, `amr` is how the user signed in. `scopes` are the requested scopes, None for all
    that the application may request. `evaluator` runs the expressions of mappings.
    """

    application: Application
    host: str = ""
    base_url: str = ""
    amr: tuple[str, ...] = ()
    scopes: tuple[str, ...] | None = None
    evaluator: Evaluator | None = None


class ObservedFacts(Mapping[str, object]):
    """The known part of `request.context`. `missed` collects the unknown keys that policies read.

    Those are known only at a real sign-in, where the result may be different.
    """

    def __init__(self, known: Mapping[str, object]) -> None:
        self._known = known
        self.missed: set[str] = set()

    def __getitem__(self, key: str) -> object:
        """Return the value, or record the key as missed and raise KeyError."""
        if key not in self._known:
            self.missed.add(key)
        return self._known[key]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the known keys."""
        return iter(self._known)

    def __len__(self) -> int:
        """Return the number of known keys."""
        return len(self._known)


@dataclass(frozen=True, slots=True)
class BindingResult:
    """The result of one binding, with its cost in microseconds and the unknowns that it depends on."""

    step: Mapping[str, object]
    cost: int
    depends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionDetails:
    """A decision about one object, with the result of each binding."""

    mode: str
    passing: bool
    undecided: bool
    messages: tuple[str, ...] = ()
    steps: tuple[BindingResult, ...] = field(default=())

    @property
    def depends(self) -> tuple[str, ...]:
        """The unknowns that the decision depends on."""
        return tuple(dict.fromkeys(name for step in self.steps for name in step.depends))
