"""What an explanation is about: who, which application, when and from where, as the configuration is or might be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ostiary.directory.group_tree import GroupTree
from ostiary.policies.context import PolicyContext
from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.applications.resources import Application
    from ostiary.directory.user import Subject
    from ostiary.sandbox.answering.evaluator import Evaluator
    from ostiary.store.configuration.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A person, an application, and the moment. `now` is microseconds UTC.

    `client_ip` is the person's address, `host` the name of ours that they came to, `base_url` its address, `amr` how
    they signed in, `scopes` what the application asks for (None: everything it may ask for). `snapshot` may be an
    earlier configuration than the one in force, whose number is `newest_revision`; people and groups are those of now.
    `evaluator` runs expressions; without one they cannot be evaluated.
    """

    subject: Subject
    application: Application
    snapshot: Snapshot
    groups: GroupTree
    now: int
    client_ip: str | None = None
    host: str = ""
    base_url: str = ""
    amr: tuple[str, ...] = ()
    scopes: tuple[str, ...] | None = None
    newest_revision: int | None = None
    evaluator: Evaluator | None = None

    def context(self, facts: WatchedFacts, *, is_sso: bool = False, in_flow: bool = False) -> PolicyContext:
        """Return what policies see. Nothing that they want is done."""
        return PolicyContext(
            now=self.now,
            client_ip=self.client_ip,
            is_sso=is_sso,
            facts=facts,
            in_flow=in_flow,
            evaluator=self.evaluator,
            trial=True,
        )


class WatchedFacts(Mapping[str, object]):
    """What policies see as `request.context`, as far as it is known; `missed` are keys that were looked for in vain.

    What was missed is known only when a person really signs in, so a result that comes of it may be another one then.
    """

    def __init__(self, known: Mapping[str, object]) -> None:
        self._known = known
        self.missed: set[str] = set()

    def __getitem__(self, key: str) -> object:
        """Return what is known."""
        if key not in self._known:
            self.missed.add(key)
        return self._known[key]

    def __iter__(self) -> Iterator[str]:
        """Go through the keys that are known."""
        return iter(self._known)

    def __len__(self) -> int:
        """Return how many are known."""
        return len(self._known)


@dataclass(frozen=True, slots=True)
class ExaminedStep:
    """What one binding said, with its cost in microseconds and what its result depends on that is not known here."""

    step: Mapping[str, object]
    cost: int
    depends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A decision about one object, with what each binding said."""

    mode: str
    passing: bool
    undecided: bool
    messages: tuple[str, ...] = ()
    steps: tuple[ExaminedStep, ...] = field(default=())

    @property
    def depends(self) -> tuple[str, ...]:
        """What the decision depends on that is not known here."""
        return tuple(dict.fromkeys(name for step in self.steps for name in step.depends))
