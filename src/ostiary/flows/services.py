"""What flows work with: handed over once by the application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ostiary.events.refusals import Refusals
from ostiary.events.signin_log import SignInLog
from ostiary.flows.plans.beginning import BeginAgain, for_nothing
from ostiary.flows.plans.pending_commit import TakeUp, left_to_the_browser
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
    from ostiary.sandbox.answering.evaluator import Evaluator
    from ostiary.seal import Secret
    from ostiary.sessions.sessions import Sessions
    from ostiary.store.configuration.plane import ConfigPlane
    from ostiary.store.database import Database
    from ostiary.store.workspace.editor import Editor


@dataclass(slots=True)
class FlowHooks:
    """What other rooms hang on flows.

    `stages` are steps that protocols put behind the stages of a flow, by name; nobody configures them. `begin_again`
    tell what a sign-in whose plan is lost was begun for, `take_up` answer the request to which a flow leads that has
    just ended. `unnamed` tell that none of our own hosts is named yet, so that the first-run wizard asks.
    """

    stages: list[tuple[str, Stage]] = field(default_factory=list)
    begin_again: list[BeginAgain] = field(default_factory=list)
    take_up: list[TakeUp] = field(default_factory=list)
    unnamed: list[Callable[[], bool]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The rooms below, as flows use them. `cookie_key` signs what a browser keeps of a second factor.

    `own_stages` are steps that protocols put behind the stages of a flow; nobody sets them up. `begin_again` tells
    what a sign-in whose plan is lost was begun for, `take_up` answers the request to which a flow leads that has just
    ended. `unnamed` tells whether none of our own hosts is named yet, so that the first-run wizard asks.
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
    own_stages: Mapping[str, Stage] = field(default_factory=dict)
    refusals: Refusals = field(default_factory=Refusals)
    sign_ins: SignInLog = field(default_factory=SignInLog)
    begin_again: BeginAgain = for_nothing
    take_up: TakeUp = left_to_the_browser
    unnamed: Callable[[], bool] = lambda: False
