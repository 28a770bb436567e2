"""The request to a policy, and its result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ostiary.policies.context import PolicyContext
from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.sandbox.evaluation.result import Evaluation
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.store.database import Statement


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """Pass or fail, with messages for the user.

    `result` is the evaluation of an expression in the sandbox, with its effects. `called` are the results of the
    policies that it called. `writes` are the policy's own statements.
    """

    passing: bool
    messages: tuple[str, ...] = ()
    result: Evaluation | None = None
    called: tuple[PolicyResult, ...] = ()
    writes: tuple[Statement, ...] = ()

    def results(self) -> Iterator[Evaluation]:
        """Yield the evaluations of all expressions, in order."""
        for verdict in self.called:
            yield from verdict.results()
        if self.result is not None:
            yield self.result


@dataclass(frozen=True, slots=True)
class PolicyRequest:
    """The request to a policy. `subject` is None if the user is not identified yet.

    `snapshot` is the present configuration, and `target` the primary key of the object that the policy is bound to.
    """

    subject: Subject | None
    context: PolicyContext
    snapshot: Snapshot | None = None
    target: str = ""
