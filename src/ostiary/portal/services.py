"""What the pages need from the rooms below, and the one value that carries it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from ostiary.events.refusals import Refusals
from ostiary.record import dataclass
from ostiary.signon.protocols import Protocols
from ostiary.web.request import Request

if TYPE_CHECKING:
    from ostiary.directory.authenticators.devices import Devices
    from ostiary.directory.first_run.setup import Setup
    from ostiary.directory.users import Users
    from ostiary.flows.run.outcome import Outcome
    from ostiary.seal import Secret
    from ostiary.sessions.session import Session
    from ostiary.sessions.sessions import Sessions
    from ostiary.signon.services import SignOnServices
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.web.static import Static
    from ostiary.web.templates import Templates


class Engine(Protocol):
    """The flow engine (`ostiary.flows.engine.FlowEngine`), as far as pages use it."""

    def body_limit(self, slug: str) -> int:
        """Return how many bytes a form of the flow may have. Raises UnknownFlow."""
        ...

    async def challenge(self, request: Request, session: Session, slug: str, *, query: str = "", now: int) -> Outcome:
        """Return what to show. Raises UnknownFlow (404)."""
        ...

    async def submit(
        self,
        request: Request,
        session: Session,
        slug: str,
        form: Mapping[str, object],
        *,
        query: str = "",
        ticket: str,
        now: int,
    ) -> Outcome:
        """Judge a form of the showing that `ticket` names, and take the flow on to its next question or its end."""
        ...


class Configuration(Protocol):
    """The configuration as it is now."""

    @property
    def snapshot(self) -> Snapshot:
        """The newest snapshot this process holds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Everything the pages use.

    `form_key` is key material of its own for form tokens; `clock` gives microseconds UTC. `recover` consumes a recovery
    key, signs the person in and returns the path to go to; it raises NotFound for a key that is not valid.
    `break_glass` does the same with a printed code, and raises BadRequest. `protocols`
    answer the requests that flows lead to; `sign_on` asks their policies, and `refusals` records a no.
    """

    engine: Engine
    sessions: Sessions
    plane: Configuration
    users: Users
    devices: Devices
    setup: Setup
    templates: Templates
    static: Static
    form_key: bytes
    clock: Callable[[], int]
    recover: Callable[[Request, str, int], Awaitable[str]]
    break_glass: Callable[[Request, Secret, int], Awaitable[str]]
    sign_on: SignOnServices
    protocols: Protocols = field(default_factory=Protocols)
    refusals: Refusals = field(default_factory=Refusals)
