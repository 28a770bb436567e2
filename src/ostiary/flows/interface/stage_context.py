"""What a stage is given, and what it may answer. Stages decide; only the dispatcher (`run`) advances a plan."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Final, Protocol

from ostiary.flows.error_detail import ErrorDetail, Errors
from ostiary.flows.people.subjects import subject_of
from ostiary.record import dataclass
from ostiary.resource import codec

if TYPE_CHECKING:
    from ostiary.directory.user import User
    from ostiary.flows.links.repository import FlowLink
    from ostiary.flows.plans.plan import Plan, Proof
    from ostiary.flows.resources import Flow
    from ostiary.flows.services import Services
    from ostiary.sessions.session import Session
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.store.database import Statement
    from ostiary.web.request import Request


class StageContext(codec.Record, frozen=True):
    """One look of one request at one stage."""

    flow: Flow
    snapshot: Snapshot
    request: Request
    session: Session
    services: Services
    now: int
    query: str  # the page's own query string
    context: Mapping[str, object]  # the plan context, flows.md section 4
    scratch: Mapping[str, object]  # what this stage left for itself
    plan: Plan  # as it stands at this stage
    behaviour: FlowBehaviour  # what this flow does beyond its stages
    bound: bool = False  # policies are bound to the stage's place in the flow
    proof: Proof | None = None  # who was proven before this stage

    def text(self, key: str) -> str | None:
        """Return a text of the plan context."""
        value = self.context.get(key)
        return value if isinstance(value, str) else None

    def mapping(self, key: str) -> Mapping[str, object]:
        """Return a mapping of the plan context, empty when it is not there."""
        value = self.context.get(key)
        return value if isinstance(value, Mapping) else {}

    @property
    def pending_pk(self) -> int | None:
        """The pending user's primary key; None when nobody is pending, or somebody who does not exist."""
        value = self.mapping("pending_user").get("pk")
        return value if isinstance(value, int) else None

    async def person(self, pk: int) -> User | None:
        """Return a person as the directory knows them, read at most once since the last proof."""
        subject = await subject_of(self.services.users, self.request, pk)
        return None if subject is None else subject.user

    @property
    def client(self) -> str:
        """The address of the browser."""
        return self.request.client


class FlowBehaviour:
    """What one flow does beyond its stages; this one does nothing. A flow is known by its slug."""

    def opening(self, stage_context: StageContext) -> Mapping[str, object]:
        """Return what the plan context begins with, before it is planned."""
        del stage_context
        return {}

    async def refusal(self, stage_context: StageContext) -> str | None:
        """Say why the flow may not go on. Asked before it is planned, before each stage and before each answer."""
        del stage_context
        return None

    def asks(self, stage_context: StageContext, field_key: str) -> bool:
        """Return whether a prompt of the flow asks that field."""
        del stage_context, field_key
        return True

    def judge(self, stage_context: StageContext, field_key: str, raw: object) -> str | None:
        """Return the value of an answer to a field the flow judges itself; None for all others. Raises ValueError."""
        del stage_context, field_key, raw
        return None

    def write(self, stage_context: StageContext) -> Commit | None:
        """Return what is done in place of a user write stage's own work."""
        del stage_context
        return None


PLAIN_FLOW: Final = FlowBehaviour()

Commit = Callable[[], Awaitable[Mapping[str, object]]]
"""Does a stage's work in a transaction of its own, before the step forward; returns more plan context.

It must be safe to do twice: when the program dies between the two, the stage is taken again. Raises StageFailed.
"""


class StageFailed(Exception):
    """A stage could not do its work; the message is shown to the person."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Show the stage's challenge. `scratch` replaces what the stage kept; `person` adds who is pending.

    `notes` are for the stage's page alone: they are no part of the JSON challenge. `writes` are committed with the
    showing; a stage that has any keeps in its scratch that they were made, so that a reload makes none.
    """

    fields: Mapping[str, object] = field(default_factory=dict)
    scratch: Mapping[str, object] | None = None
    person: bool = True
    notes: Mapping[str, object] = field(default_factory=dict)
    writes: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class SignIn:
    """Make the session this user's."""

    user: User
    method: str
    arguments: Mapping[str, object]
    amr: tuple[str, ...]
    duration: int  # microseconds; 0 ends with the browser
    remember: int  # microseconds added because the person asked to stay signed in
    terminate_others: bool


@dataclass(frozen=True, slots=True)
class Done:
    """The stage has its proof. `writes` are committed together with the step forward, or not at all.

    `context` is laid over the plan context, `drop` removes keys from it, `insert` are stages (primary keys) that come
    next. `proof` is who was proven just now, as read before. `commit` is for stages that write through another room's
    unit of work. `unread` says that no stage that
    may follow reads what `writes` change: then the request goes on before they are committed.
    """

    context: Mapping[str, object] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    writes: tuple[Statement, ...] = ()
    insert: tuple[str, ...] = ()
    proof: User | None = None
    sign_in: SignIn | None = None
    sign_out: bool = False
    commit: Commit | None = None
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Wrong:
    """The answer is not right. `writes` (failure counts, events) are committed all the same."""

    errors: Errors
    scratch: Mapping[str, object] | None = None
    writes: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The person does not get any further here."""

    message: str
    writes: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class Declined:
    """The person says no. Whoever began the flow hears of it (see `decline`)."""

    writes: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class Switch:
    """The plan goes on in another flow, named by its primary key (see `switching`).

    With `keep_context` that flow knows what the stages of this one found out, and whom they proved.
    """

    flow: str
    keep_context: bool = True
    writes: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class Resume:
    """The plan of a link goes on in place of this one (see `resuming`). `writes` use the link up.

    `user` is whom the link was sent for, as read just now; None where nobody is stored yet.
    """

    link: FlowLink
    user: User | None
    writes: tuple[Statement, ...]


Verdict = Ask | Done | Wrong | Refused | Declined | Switch | Resume


class Behaviour(Protocol):
    """What every stage can do beside having fields."""

    async def open(self, stage_context: StageContext) -> Verdict:
        """Say what to show, or pass at once with a proof that needs no answer."""
        ...

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Judge an answer to the challenge that `open` made."""
        ...


def wrong(name: str, string: str, code: str = "invalid") -> Wrong:
    """Return the verdict for one wrong field."""
    return Wrong({name: (ErrorDetail(string, code),)})


def text_of(answer: Mapping[str, object], name: str) -> str:
    """Return a text of an answer, "" when there is none."""
    value = answer.get(name)
    return value if isinstance(value, str) else ""
