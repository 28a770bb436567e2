"""The context of one request that needs a signed-in user, and its return URL."""

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
"""Our own query parameter: the flow that the browser returns from. It is only a hint; the proof is in the session."""

SIGN_IN: Final = "sign-in"
AUTHORIZE: Final = "authorize"
DECLINED: Final = "declined"
ANOTHER: Final = "another"
"""Values of `RETURN`. With `ANOTHER` the user wants to use another account, so a new sign-in starts."""

_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]*")  # RFC 3986 2.3
_MAX_URL_LENGTH: Final = 32_000  # characters of a return URL; enough for the longest state and nonce


T = TypeVar("T")


class RequiredField(Generic[T]):
    """A property for a field that a step sets. Reading it before that step raises BadRequest."""

    def __init__(self, field: str) -> None:
        self._read = attrgetter(field)

    def __get__(self, context: object, owner: type[object]) -> T:
        """Return the value."""
        value: T | None = self._read(context)
        if value is None:  # pragma: no cover - the order of the table
            raise BadRequest("invalid_request")
        return value


class CannotContinue(Exception):
    """The request cannot be answered with the end of its flow. The browser must send the request again."""


class Arrival(enum.Enum):
    """Which flow of this request the browser returns from."""

    FIRST = "first"
    SIGNED_IN = "signed in"  # from the authentication flow of this request
    RESUMED = "resumed"  # from the authorization flow of this request and user


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The relying party: a provider and its application."""

    provider: SignOnProvider
    application: Application


@dataclass(slots=True, kw_only=True)
class SignOnContext:
    """The context of one request. A protocol extends it with its parsed request, and sets the relying party.

    Without a relying party (`known_party` is None) the brand's flow is used.

    `pairs` are the query parameters, and `returning_from` is the value of `RETURN`. `expired` is the error for a
    request that is too old to start a flow. With `redirect_only` the request is answered with the end of its flow, so
    the response must be a redirect. `allowed` is set when the policies allow access.
    """

    PROTOCOL: ClassVar[str]
    PATH: ClassVar[str]

    request: Request
    services: SignOnServices
    pairs: tuple[tuple[str, str], ...]
    snapshot: Snapshot
    now: int
    arrival: Arrival = Arrival.FIRST
    returning_from: str | None = None
    expired: Exception | None = None
    known_party: RelyingParty | None = None
    session: Session | None = None
    known_subject: Subject | None = None
    pending: PendingCommit | None = None
    redirect_only: bool = False
    allowed: bool = False
    cached_digest: str = ""  # the result of `digest`

    party = RequiredField[RelyingParty]("known_party")
    """The relying party."""
    subject = RequiredField["Subject"]("known_subject")
    """The signed-in user."""

    @property
    def own_authentication_flow(self) -> str | None:
        """The authentication flow of the provider, if it has one."""
        return None if self.known_party is None else self.known_party.provider.authentication_flow

    @property
    def login_hint(self) -> str | None:
        """The user that the application expects, for the identification stage."""
        return None

    def authorization_context(self) -> Mapping[str, object]:
        """Return the protocol's part of the authorization flow's context. It overrides the values of sign-on."""
        return {}

    def prolonging(self) -> Sequence[Statement]:
        """Return statements that extend the lifetime of stored request data. They run before a flow starts."""
        return ()

    @property
    def signed_in(self) -> tuple[Session, Subject]:
        """The session and its user."""
        subject = self.subject
        if self.session is None:  # pragma: no cover - the order of the table
            raise BadRequest("invalid_request")
        return self.session, subject

    def digest(self) -> str:
        """Return a hash that identifies this request in the completion keys of its flows."""
        if not self.cached_digest:
            self.cached_digest = hashlib.sha256(codec.encode(_without_return(self.pairs))).hexdigest()[:40]
        return self.cached_digest

    def sign_in_proof(self) -> str:
        """Return the completion key of the authentication flow of this request."""
        provider = "" if self.known_party is None else self.known_party.provider.pk
        return f"{self.PROTOCOL}.sign-in:{provider}:{self.digest()}"

    def consent_proof(self, user: int) -> str:
        """Return the completion key of the authorization flow of this request and user."""
        return f"{self.PROTOCOL}.authorize:{self.party.provider.pk}:{user}:{self.digest()}"

    def return_url(self, returning_from: str) -> str:
        """Return the path to which a flow returns."""
        return request_url(self.request, self.PATH, [*_without_return(self.pairs), (RETURN, returning_from)])


def request_url(request: Request, path: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Return the path of an endpoint with query parameters. Raises HttpError 414."""
    query = "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in pairs])
    url = f"{request.prefix}{path}?{query}"
    if len(url) > _MAX_URL_LENGTH:
        raise HttpError(414, "uri_too_long", "The authorization request is too long.")
    return url


def _quoted(text: str) -> str:
    return text if _UNRESERVED.fullmatch(text) else quote(text, safe="")


def _without_return(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in pairs if name != RETURN]
