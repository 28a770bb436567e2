"""Who a request to the API speaks for: the bearer of a key, or the person of the browser session.

The secret key itself is never accepted as a bearer, unlike in authentik.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ostiary.directory.tokens import Tokens
from ostiary.directory.user import Subject
from ostiary.directory.users import Users
from ostiary.record import dataclass
from ostiary.seal import Secret
from ostiary.sessions.sessions import Sessions
from ostiary.web.errors import Forbidden
from ostiary.web.request import Request

AccessTokenUser = Callable[[Secret, int], Awaitable[int | None]]
"""Returns the user of a living OAuth access token that may use the API, or None."""


@dataclass(frozen=True, slots=True)
class Callers:
    """The ways a caller is known. `access_token_user` is handed over by whoever issues access tokens."""

    tokens: Tokens
    users: Users
    sessions: Sessions
    access_token_user: AccessTokenUser

    async def identify(self, request: Request, now: int) -> Subject:
        """Return the caller. Raises Forbidden: authentik answers 403, not 401, and clients expect it."""
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            pk = await self._bearer(Secret(credentials.strip()), now)
            refusal = Forbidden("authentication_failed", "Token invalid/expired")
        else:
            session = await self.sessions.read(request, now)
            pk = session.user if session is not None else None
            refusal = Forbidden("not_authenticated", "Authentication credentials were not provided.")
        subject = await self.users.subject(pk) if pk is not None else None
        if subject is None or not subject.user.is_active:
            raise refusal
        return subject

    async def _bearer(self, key: Secret, now: int) -> int | None:
        found = await self.tokens.bearer(key, now)
        if found is not None:
            return found.user.pk
        return await self.access_token_user(key, now)
