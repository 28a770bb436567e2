"""The context of a stage, and its possible verdicts. Only the dispatcher (`run`) applies verdicts to a plan."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Final, Protocol

from ostiary.flows.error_detail import ErrorDetail, Errors
from ostiary.flows.people.subject_cache import subject_of
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
    """The context of one request to one stage."""

    flow: Flow
    snapshot: Snapshot
    request: Request
    session: Session
    services: Services
    now: int
    query: str  # the page's own query string
    context: Mapping[str, object]  # the plan context
    scratch: Mapping[str, object]  # the stage's own data from earlier requests
    plan: Plan  # the plan at this stage
    behaviour: FlowBehaviour  # the behaviour of this flow beyond its stages
    bound: bool = False  # the stage binding has policies
    proof: Proof | None = None  # the user proven before this stage

    def text(self, key: str) -> str | None:
        """Return a text of the plan context."""
        value = self.context.get(key)
        return value if isinstance(value, str) else None

    def mapping(self, key: str) -> Mapping[str, object]:
        """Return a mapping of the plan context, empty if missing."""
        value = self.context.get(key)
        return value if isinstance(value, Mapping) else {}

    @property
    def pending_pk(self) -> int | None:
        """The pending user's primary key; None if there is none, or no such account."""
        value = self.mapping("pending_user").get("pk")
        return value if isinstance(value, int) else None

    async def person(self, pk: int) -> User | None:
        """Return a user, read from the directory at most once since the last proof."""
        subject = await subject_of(self.services.users, self.request, pk)
        return None if subject is None else subject.user

    @property
    def client(self) -> str:
        """The address of the browser."""
        return self.request.client


class FlowBehaviour:
    """The behaviour of a flow beyond its stages, by its slug. The default does nothing."""

    def opening(self, stage_context: StageContext) -> Mapping[str, object]:
        """Return additions to the initial plan context, before planning."""
        del stage_context
        return {}

    async def refusal(self, stage_context: StageContext) -> str | None:
        """Return the reason if the flow must be denied. Called before planning, before each stage and each response."""
        del stage_context
        return None

    def asks(self, stage_context: StageContext, field_key: str) -> bool:
        """Return whether a prompt stage of the flow shows that field."""
        del stage_context, field_key
        return True

    def judge(self, stage_context: StageContext, field_key: str, raw: object) -> str | None:
        """Return the value of a field that the flow validates itself; None for all others. Raises ValueError."""
        del stage_context, field_key, raw
        return None

    def write(self, stage_context: StageContext) -> Commit | None:
        """Return the commit that replaces that of a user write stage."""
        del stage_context
        return None


PLAIN_FLOW: Final = FlowBehaviour()

Commit = Callable[[], Awaitable[Mapping[str, object]]]
"""Commits a stage's work in its own transaction, before the plan advances. Returns additions to the plan context.

It must be idempotent: after a crash between the two, the stage runs again. Raises StageFailed.
"""


class StageFailed(Exception):
    """A stage could not do its work. The message is shown to the user."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Show the stage's challenge. `scratch` replaces that of the stage; `person` adds the pending user.

    `notes` are only for the stage's page, not for the JSON challenge. `writes` are committed when the challenge is
    shown. A stage with writes must record them in its scratch, so that a reload does not repeat them.
    """

    fields: Mapping[str, object] = field(default_factory=dict)
    scratch: Mapping[str, object] | None = None
    person: bool = True
    notes: Mapping[str, object] = field(default_factory=dict)
    writes: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class SignIn:
    """Sign this user in."""

    user: User
    method: str
    arguments: Mapping[str, object]
    amr: tuple[str, ...]
    duration: int  # microseconds; 0 ends with the browser
    remember: int  # microseconds added because the user wants to stay signed in
    terminate_others: bool


@dataclass(frozen=True, slots=True)
class Done:
    """The stage passed. `writes` are committed together with the advanced plan.

    `context` is merged into the plan context, `drop` removes keys from it, and `insert` are stages (primary keys) to
    run next. `proof` is the user proven by this stage, as read before the proof. `commit` is for stages that write
    through another room's unit of work. `unread` says that no later stage reads the changes of `writes`, so that the
    request can continue before their commit.
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
    """The response is wrong. `writes` (failure counts, events) are committed nevertheless."""

    errors: Errors
    scratch: Mapping[str, object] | None = None
    writes: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The stage denies the flow."""

    message: str
    writes: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class Declined:
    """The user declines. The plan continues at its decline URL or stage (see `decline`)."""

    writes: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class Switch:
    """The plan switches to another flow, by primary key (see `flow_switch`).

    With `keep_context` it keeps the plan context and the proof.
    """

    flow: str
    keep_context: bool = True
    writes: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class Resume:
    """The plan of a link replaces this one (see `restored_plan`). `writes` consume the link.

    `user` is the recipient's current record; None if there is no account yet.
    """

    link: FlowLink
    user: User | None
    writes: tuple[Statement, ...]


Verdict = Ask | Done | Wrong | Refused | Declined | Switch | Resume


class Behaviour(Protocol):
    """The methods of every stage."""

    async def open(self, stage_context: StageContext) -> Verdict:
        """Return the challenge to show, or another verdict if no response is needed."""
        ...

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Evaluate a response to the challenge of `open`."""
        ...


def wrong(name: str, string: str, code: str = "invalid") -> Wrong:
    """Return the verdict for one wrong field."""
    return Wrong({name: (ErrorDetail(string, code),)})


def text_of(answer: Mapping[str, object], name: str) -> str:
    """Return a text field of a response, "" if missing."""
    value = answer.get(name)
    return value if isinstance(value, str) else ""
