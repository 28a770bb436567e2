"""One authorization request on its way through the steps: what is known so far, and the address to come back to."""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from ostiary.proto.oauth2.authorization.request import AuthorizeRequest
from ostiary.proto.oauth2.authorization.response import Target
from ostiary.proto.oauth2.errors import OAuthError
from ostiary.record import dataclass
from ostiary.resource import codec
from ostiary.web.errors import BadRequest, HttpError

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.flows.run.flow_commit import PendingCommit
    from ostiary.grants.pushed import Pushed
    from ostiary.proto.oauth2.parameters import Parameters
    from ostiary.providers.oauth2.provider.client import Client
    from ostiary.providers.oauth2.services import Services
    from ostiary.sessions.session import Session
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.web.request import Request

PATH: Final = "/application/o/authorize/"
RETURN: Final = "ostiary_return"
"""Our own parameter: which flow the browser comes back from. It proves nothing; the proof is in the session."""

ANOTHER: Final = "another"
"""The value of `RETURN` of a person who said that they are not the one who was named: somebody may sign in anew."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9._~-]*")  # what is quoted as itself (RFC 3986 2.3)
_LONGEST: Final = 32_000  # characters of an address that a flow leads back to: with state and nonce at their longest


class NotContinued(Exception):
    """The request cannot be answered together with the end of its flow; it is answered when the browser brings it."""


class Entry(enum.Enum):
    """How the browser came here."""

    FIRST = "first"
    SIGNED_IN = "signed in"  # back from the authentication flow begun for this very request
    RESUMED = "resumed"  # back from the authorization flow begun for this very request and person


@dataclass(slots=True, kw_only=True)
class AuthorizationContext:
    """What the steps know. Each step may rely on what those above it have filled in.

    `pairs` are those of the browser's address, `parameters` those of the request, which may have come another way
    (`handle_hash` and `pushed`: through PAR). `late` is what a request is answered that may not begin any more.
    """

    request: Request
    services: Services
    parameters: Parameters
    pairs: tuple[tuple[str, str], ...]
    snapshot: Snapshot
    now: int
    entry: Entry = Entry.FIRST
    coming_from: str | None = None
    handle_hash: bytes | None = None
    pushed: Pushed | None = None
    late: OAuthError | None = None
    hinted: str | None = None
    client_found: Client | None = None
    target: Target | None = None
    wanted_found: AuthorizeRequest | None = None
    scope: tuple[str, ...] = ()
    session: Session | None = None
    subject_found: Subject | None = None
    pending: PendingCommit | None = None
    at_once: bool = False
    digested: str = ""  # what `digest` found

    @property
    def client(self) -> Client:
        """The client, once its step was taken."""
        if self.client_found is None:  # pragma: no cover - the order of the table
            raise BadRequest("invalid_request")
        return self.client_found

    @property
    def wanted(self) -> AuthorizeRequest:
        """The checked request, once its step was taken."""
        if self.wanted_found is None:  # pragma: no cover - the order of the table
            raise BadRequest("invalid_request")
        return self.wanted_found

    @property
    def trusted(self) -> Target:
        """Where the answer goes, once its step was taken."""
        if self.target is None:  # pragma: no cover - the order of the table
            raise BadRequest("invalid_request")
        return self.target

    @property
    def dpop_jkt(self) -> str | None:
        """The thumbprint of the key the code is bound to (RFC 9449 10), if any."""
        proved = self.pushed.dpop_jkt if self.pushed is not None else None
        return proved or self.wanted.dpop_jkt

    @property
    def signed_in(self) -> tuple[Session, Subject]:
        """Session and person, once their step was taken."""
        if self.session is None or self.subject_found is None:  # pragma: no cover - the order of the table
            raise BadRequest("invalid_request")
        return self.session, self.subject_found

    @property
    def issuer(self) -> str:
        """The issuer under the address the request came to."""
        return self.client.issuer(self.request.base_url)

    def digest(self) -> str:
        """Return what names exactly this request, for the proofs of its flows."""
        if not self.digested:
            self.digested = hashlib.sha256(codec.encode(_without_return(self.pairs))).hexdigest()[:40]
        return self.digested

    def sign_in_proof(self) -> str:
        """Return the completion key of the authentication flow begun for this request."""
        return f"oauth2.sign-in:{self.client.pk}:{self.digest()}"

    def consent_proof(self, user: int) -> str:
        """Return the completion key of the authorization flow begun for this request and that person."""
        return f"oauth2.authorize:{self.client.pk}:{user}:{self.digest()}"

    def return_url(self, coming_from: str) -> str:
        """Return the path that leads back here from a flow."""
        return request_url(self.request, [*_without_return(self.pairs), (RETURN, coming_from)])


def request_url(request: Request, pairs: Iterable[tuple[str, str]]) -> str:
    """Return the path of this endpoint with these parameters. Raises HttpError 414."""
    query = "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in pairs])
    url = f"{request.prefix}{PATH}?{query}"
    if len(url) > _LONGEST:
        raise HttpError(414, "uri_too_long", "The authorization request is too long.")
    return url


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else quote(text, safe="")


def _without_return(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in pairs if name != RETURN]
