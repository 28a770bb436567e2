"""The services of flows, injected by the application, and the hooks of other rooms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ostiary.events.refusals import Refusals
from ostiary.events.signin_log import SignInLog
from ostiary.flows.plans.flow_start import FindStart, no_start
from ostiary.flows.plans.pending_commit import AnswerEnd, no_responder
from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.directory.attempts import Attempts
    from ostiary.directory.authenticators.devices import Devices
    from ostiary.directory.first_run.setup import Setup
    from ostiary.directory.passwords.pool import Passwords
    from ostiary.directory.tokens import Tokens
    from ostiary.directory.users import Users
    from ostiary.flows.consents import Consents
    from ostiary.flows.links.repository import FlowLinks
    from ostiary.flows.plans.repository import Plans
    from ostiary.flows.resources import Stage
    from ostiary.mail.outbox import Outbox
    from ostiary.policies.lookups.reputation import Reputation
    from ostiary.policies.services import PolicyServices
    from ostiary.sandbox.evaluation.evaluator import Evaluator
    from ostiary.seal import Secret
    from ostiary.sessions.sessions import Sessions
    from ostiary.store.configuration.plane import ConfigPlane
    from ostiary.store.database import Database
    from ostiary.store.workspace.editor import Editor


@dataclass(slots=True)
class FlowHooks:
    """The hooks of flows, for other rooms.

    `stages` are the stages that protocols append to a flow, by name; they are not configurable. `find_start` return
    the start of a sign-in whose plan is lost. `answer_end` respond to the request for which a flow has just ended.
    `unnamed` return whether no host is configured yet, so that the first-run wizard asks for one. `hosts` return the
    configured hosts in lower case, with or without port; a leading dot means all names below.
    """

    stages: list[tuple[str, Stage]] = field(default_factory=list)
    find_start: list[FindStart] = field(default_factory=list)
    answer_end: list[AnswerEnd] = field(default_factory=list)
    unnamed: list[Callable[[], bool]] = field(default_factory=list)
    hosts: list[Callable[[], frozenset[str]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The services that flows use. `cookie_key` signs the cookie that remembers a second factor.

    `internal_stages`, `find_start`, `answer_end`, `unnamed` and `hosts` are the hooks of other rooms (`FlowHooks`),
    joined.
    """

    database: Database
    plane: ConfigPlane
    sessions: Sessions
    users: Users
    passwords: Passwords
    devices: Devices
    tokens: Tokens
    attempts: Attempts
    setup: Setup
    editor: Editor
    consents: Consents
    plans: Plans
    links: FlowLinks
    outbox: Outbox
    cookie_key: Secret
    evaluator: Evaluator | None
    policy_services: PolicyServices
    reputation: Reputation
    internal_stages: Mapping[str, Stage] = field(default_factory=dict)
    refusals: Refusals = field(default_factory=Refusals)
    sign_ins: SignInLog = field(default_factory=SignInLog)
    find_start: FindStart = no_start
    answer_end: AnswerEnd = no_responder
    unnamed: Callable[[], bool] = lambda: False
    hosts: Callable[[], frozenset[str]] = frozenset
