"""The plan of one run through a flow: JSON data only, primary keys and never objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary.flows.error_detail import ErrorDetail
from ostiary.resource import codec

if TYPE_CHECKING:
    from ostiary.directory.user import User


class PlanStep(codec.Record, frozen=True, array_like=True):
    """One stage still to come. `binding` is None for a stage that another stage put in."""

    stage: str
    binding: str | None = None
    re_evaluate: bool = False


class Proof(codec.Record, frozen=True):
    """Whom a plan goes on for behind the password, and what that rests on (`directory.user.User.stamp`)."""

    user: int
    stamp: str


class Plan(codec.Record, frozen=True):
    """Where a session stands in a flow. The first of `steps` is the current stage.

    `context` is what stages leave for each other, `origin` what it began with, `scratch` belongs to the current
    stage alone, `shown` tells that its challenge was made, `passed` counts the stages behind, `denied` is the last
    word of a plan that was refused, `append` are stages that come after those of the flow. `user` is who the
    session belonged to: a plan does not survive a change of person. `proof` is who was proven, by a stage or by the
    session it began in: a plan does not survive a change of the account, its password, factors or sessions either.
    `destination` names where it leads among the plans of the session (`destination.destination_key`). `switches` counts
    the flows it went through before this one.
    """

    id: str = ""
    slug: str = ""
    destination: str = ""
    version: int = 0
    planned: bool = False
    steps: tuple[PlanStep, ...] = ()
    context: Mapping[str, object] = {}
    origin: Mapping[str, object] = {}
    scratch: Mapping[str, object] = {}
    shown: bool = False
    passed: int = 0
    errors: Mapping[str, tuple[ErrorDetail, ...]] = {}
    denied: str | None = None
    next_url: str = ""
    completion: str | None = None
    append: tuple[str, ...] = ()
    user: int | None = None
    proof: Proof | None = None
    switches: int = 0

    @property
    def ticket(self) -> str:
        """Name exactly this stage of this plan, for a page's form."""
        return f"{self.id}.{self.passed}"

    def to(self, **changes: object) -> Plan:
        """Return the plan with some fields changed."""
        return codec.changed(self, **changes)

    def advanced(self, *, context: Mapping[str, object] | None = None, insert: tuple[str, ...] = ()) -> Plan:
        """Return the plan without its current stage; `insert` come next."""
        return codec.changed(
            self,
            steps=(*(PlanStep(stage) for stage in insert), *self.steps[1:]),
            context=self.context if context is None else context,
            scratch={},
            shown=False,
            errors={},
            passed=self.passed + 1,
        )

    def proven(self, user: User) -> Plan:
        """Return the plan with that person as who was proven, as they were read before the proof."""
        return codec.changed(self, proof=Proof(user.pk, user.stamp))

    def without_step(self) -> Plan:
        """Return the plan without its current stage, which turned out not to be needed."""
        return self.advanced()

    def dump(self) -> bytes:
        """Return JSON bytes, without what has a column of its own."""
        return codec.encode(codec.changed(self, id="", slug="", destination="", version=0))


_read: Final = codec.reader(Plan)


def load_plan(data: bytes, *, plan_id: str, slug: str, destination: str, version: int) -> Plan:
    """Return the plan that `dump` wrote. Raises ValueError."""
    return codec.changed(_read(data), id=plan_id, slug=slug, destination=destination, version=version)
