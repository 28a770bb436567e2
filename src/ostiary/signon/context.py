"""One request that needs a person, on its way through the steps of its protocol, and the address to come back to."""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, ClassVar, Final, Generic, TypeVar
from urllib.parse import quote

from ostiary.record import dataclass
from ostiary.resource import codec
from ostiary.web.errors import BadRequest, HttpError

if TYPE_CHECKING:
    from ostiary.applications.provider import SignOnProvider
    from ostiary.applications.resources import Application
    from ostiary.directory.user import Subject
    from ostiary.flows.plans.pending_commit import PendingCommit
    from ostiary.sessions.session import Session
    from ostiary.signon.services import SignOnServices
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.store.database import Statement
    from ostiary.web.request import Request

RETURN: Final = "ostiary_return"
"""Our own parameter: which flow the browser comes back from. It proves nothing; the proof is in the session."""

SIGN_IN: Final = "sign-in"
AUTHORIZE: Final = "authorize"
DECLINED: Final = "declined"
ANOTHER: Final = "another"
"""Values of `RETURN`. With `ANOTHER` the person asked for another account: a new sign-in begins."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9._~-]*")  # what is quoted as itself (RFC 3986 2.3)
_LONGEST: Final = 32_000  # characters of an address that a flow leads back to: with state and nonce at their longest


T = TypeVar("T")


class Known(Generic[T]):
    """A property that reads a field which a step of the table fills in. Before that step it raises BadRequest."""

    def __init__(self, field: str) -> None:
        self._read = attrgetter(field)

    def __get__(self, context: object, owner: type[object]) -> T:
        """Return the value."""
        value: T | None = self._read(context)
        if value is None:  # pragma: no cover - the order of the table
            raise BadRequest("invalid_request")
        return value


class NotContinued(Exception):
    """The request cannot be answered together with the end of its flow; it is answered when the browser brings it."""


class Arrival(enum.Enum):
    """How the browser came here."""

    FIRST = "first"
    SIGNED_IN = "signed in"  # back from the authentication flow begun for this very request
    RESUMED = "resumed"  # back from the authorization flow begun for this very request and person


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Who asks for a person: a provider and its application."""

    provider: SignOnProvider
    application: Application


@dataclass(slots=True, kw_only=True)
class SignOnContext:
    """What sign-on knows of a request. A protocol extends it with what it parsed, and sets the relying party.

    Without a relying party (`known_party` is None) people sign in by the brand's flow.

    `pairs` are the parameters of the browser's address, `coming_from` its `RETURN`. `late` is what a request is
    answered that may not begin any more. With `at_once` the end of its flow is being answered, so by a redirect only.
    `allowed` says that the policies were asked and said yes.
    """

    PROTOCOL: ClassVar[str]
    PATH: ClassVar[str]

    request: Request
    services: SignOnServices
    pairs: tuple[tuple[str, str], ...]
    snapshot: Snapshot
    now: int
    arrival: Arrival = Arrival.FIRST
    coming_from: str | None = None
    late: Exception | None = None
    known_party: RelyingParty | None = None
    session: Session | None = None
    known_subject: Subject | None = None
    pending: PendingCommit | None = None
    at_once: bool = False
    allowed: bool = False
    digested: str = ""  # the result of `digest`

    party = Known[RelyingParty]("known_party")
    """Who asks."""
    subject = Known["Subject"]("known_subject")
    """Who is signed in."""

    @property
    def own_authentication_flow(self) -> str | None:
        """The flow of the relying party that signs people in, if it has one of its own."""
        return None if self.known_party is None else self.known_party.provider.authentication_flow

    @property
    def login_hint(self) -> str | None:
        """Whom the application expects, as the flow may fill it in."""
        return None

    def authorization_context(self) -> Mapping[str, object]:
        """Return the protocol's part of the authorization flow's context. It overrides the part of sign-on."""
        return {}

    def prolonging(self) -> Sequence[Statement]:
        """Return the statements that prolong what the request refers to. Written before a flow begins."""
        return ()

    @property
    def signed_in(self) -> tuple[Session, Subject]:
        """Session and person."""
        subject = self.subject
        if self.session is None:  # pragma: no cover - the order of the table
            raise BadRequest("invalid_request")
        return self.session, subject

    def digest(self) -> str:
        """Return what names exactly this request, for the proofs of its flows."""
        if not self.digested:
            self.digested = hashlib.sha256(codec.encode(_without_return(self.pairs))).hexdigest()[:40]
        return self.digested

    def sign_in_proof(self) -> str:
        """Return the completion key of the authentication flow begun for this request."""
        provider = "" if self.known_party is None else self.known_party.provider.pk
        return f"{self.PROTOCOL}.sign-in:{provider}:{self.digest()}"

    def consent_proof(self, user: int) -> str:
        """Return the completion key of the authorization flow begun for this request and that person."""
        return f"{self.PROTOCOL}.authorize:{self.party.provider.pk}:{user}:{self.digest()}"

    def return_url(self, coming_from: str) -> str:
        """Return the path that leads back here from a flow."""
        return request_url(self.request, self.PATH, [*_without_return(self.pairs), (RETURN, coming_from)])


def request_url(request: Request, path: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Return the path of an endpoint with these parameters. Raises HttpError 414."""
    query = "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in pairs])
    url = f"{request.prefix}{path}?{query}"
    if len(url) > _LONGEST:
        raise HttpError(414, "uri_too_long", "The authorization request is too long.")
    return url


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else quote(text, safe="")


def _without_return(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in pairs if name != RETURN]
