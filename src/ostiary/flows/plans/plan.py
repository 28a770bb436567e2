"""The plan of one run of a flow. It is JSON data, with primary keys instead of objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary.flows.error_detail import ErrorDetail
from ostiary.flows.plans import dates
from ostiary.resource import codec

if TYPE_CHECKING:
    from ostiary.directory.user import User


class PlanStep(codec.Record, frozen=True, array_like=True):
    """One remaining stage. `binding` is None for a stage that another stage inserted."""

    stage: str
    binding: str | None = None
    re_evaluate: bool = False


class Proof(codec.Record, frozen=True):
    """The user proven in a plan, and the stamp of the account at the proof (`directory.user.User.stamp`)."""

    user: int
    stamp: str


class Plan(codec.Record, frozen=True):
    """The state of a session in a flow. The first of `steps` is the current stage.

    `context` is shared by the stages, and `origin` is its initial value. `scratch` belongs to the current stage, and
    `shown` says that its challenge was shown. `passed` counts the passed stages. `denied` is the message of a denied
    plan. `append` are stages after those of the flow. `user` is the user of the session: a plan ends when that changes.
    `proof` is the proven user, by a stage or by the session: a plan also ends when the account, its password, factors
    or sessions change. `destination` is the key of its destination (`destination.destination_key`). `switches` counts
    the flows before this one.
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
        """Identifies this stage of this plan in a form."""
        return f"{self.id}.{self.passed}"

    def to(self, **changes: object) -> Plan:
        """Return the plan with some fields changed."""
        return codec.changed(self, **changes)

    def advanced(self, *, context: Mapping[str, object] | None = None, insert: tuple[str, ...] = ()) -> Plan:
        """Return the plan without its current stage. `insert` are stages to run next."""
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
        """Return the plan with that user as proven. The record must have been read before the proof."""
        return codec.changed(self, proof=Proof(user.pk, user.stamp))

    def without_step(self) -> Plan:
        """Return the plan without its current stage, which its policies skip."""
        return self.advanced()

    def dump(self) -> bytes:
        """Return JSON bytes, without the fields that have their own column."""
        return codec.encode(codec.changed(self.marked(), id="", slug="", destination="", version=0))

    def marked(self) -> Plan:
        """Return the plan as JSON can keep it: dates have a mark."""
        return codec.changed(self, context=dates.stored(self.context))

    def unmarked(self) -> Plan:
        """Return the plan that `marked` was made of."""
        return codec.changed(self, context=dates.restored(self.context))


_read: Final = codec.reader(Plan)


def load_plan(data: bytes, *, plan_id: str, slug: str, destination: str, version: int) -> Plan:
    """Return the plan that `dump` wrote. Raises ValueError."""
    plan = _read(data).unmarked()
    return codec.changed(plan, id=plan_id, slug=slug, destination=destination, version=version)
