"""What one policy says, and what it is asked with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ostiary.policies.context import PolicyContext
from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.sandbox.answering.result import Evaluation
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.store.database import Statement


@dataclass(frozen=True, slots=True)
class Verdict:
    """Pass or fail, with messages for the person.

    `result` is that of an expression that was run, with its effects; `called` are the verdicts of the policies that
    it ran. `writes` is what the policy itself wants written.
    """

    passing: bool
    messages: tuple[str, ...] = ()
    result: Evaluation | None = None
    called: tuple[Verdict, ...] = ()
    writes: tuple[Statement, ...] = ()

    def results(self) -> Iterator[Evaluation]:
        """Yield the results of every expression that was run, in order."""
        for verdict in self.called:
            yield from verdict.results()
        if self.result is not None:
            yield self.result


@dataclass(frozen=True, slots=True)
class Question:
    """What a policy is asked about: nobody in particular when `subject` is None.

    `snapshot` is the configuration of the moment, `target` the primary key of what the policy is bound to.
    """

    subject: Subject | None
    context: PolicyContext
    snapshot: Snapshot | None = None
    target: str = ""
