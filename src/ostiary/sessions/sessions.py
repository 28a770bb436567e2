"""The sessions service: the session of a request, sign-in and sign-out.

Other rooms add statements to these transactions through hooks, lists that the application fills:
`on_begin`         a sign-in: writes the audit log
`on_move`          the session id changes, with the old and the new session: moves plans, and grants of the same user
`on_end`           a session ended: ends its grants and plans
`on_logout`        a user signed out: writes the audit log
`on_close`         a user's sessions were ended from outside: ends the proofs that wait in other browsers
`on_frontchannel`  returns the front-channel logouts of a session
At a sign-in as another user, `on_move` runs before `on_end` of the old key, which ends everything that was not moved.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from typing import Final

from ostiary.record import dataclass
from ostiary.sessions import repository
from ostiary.sessions.anonymous_throttle import AnonymousThrottle
from ostiary.sessions.cookie import CookieSettings, clear_session_cookie, cookie_key, key_of, new_id, set_session_cookie
from ostiary.sessions.session import ANONYMOUS, TOUCH_EVERY, Session, lifetime
from ostiary.store.database import Batch, Database, Statement
from ostiary.store.workspace.commit import run
from ostiary.web.request import Request
from ostiary.web.response import Response

_AGENT_LIMIT: Final = 512  # characters


@dataclass(slots=True)
class Hooks:
    """The hooks into the transactions of sessions. Bytes are session keys, times are in microseconds UTC."""

    on_begin: list[Callable[[Session, int], Iterable[Statement]]] = field(default_factory=list)
    on_move: list[Callable[[Session, Session], Iterable[Statement]]] = field(default_factory=list)
    on_end: list[Callable[[bytes, int], Iterable[Statement]]] = field(default_factory=list)
    on_logout: list[Callable[[Session, int], Iterable[Statement]]] = field(default_factory=list)
    on_close: list[Callable[[int], Iterable[Statement]]] = field(default_factory=list)  # gets the user
    on_frontchannel: list[Callable[[Session], Awaitable[Sequence[Mapping[str, object]]]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLogin:
    """The completed authentication of a user, from the user_login stage.

    `who` is {"pk", "username", "email"} for the audit log. `duration` and `remember` are in microseconds (see
    `session.lifetime`). `data`, if given, replaces the session's data.
    """

    user: int
    who: Mapping[str, object]
    auth_method: str
    auth_args: Mapping[str, object] = field(default_factory=dict)
    amr: tuple[str, ...] = ()
    duration: int = 0
    remember: int = 0
    data: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class PendingSession:
    """A session that is not stored yet. The caller commits its `statements`, then calls `Sessions.committed`.

    `identifier` is the session id for the cookie.
    """

    session: Session
    identifier: str
    statements: tuple[Statement, ...]


@dataclass(slots=True)
class _RequestSession:
    """The session of a request, once read, and the cookie for its response: an id to set, "" to clear, None to keep."""

    was_read: bool = False
    session: Session | None = None
    cookie: str | None = None

    def replace(self, session: Session | None, *, cookie: str | None = None) -> None:
        """Replace the session, None for no session, and the cookie unless it is None."""
        self.was_read = True
        self.session = session
        if cookie is not None:
            self.cookie = cookie


class Sessions:
    """Browser sessions of one database."""

    def __init__(
        self, database: Database, cookies: CookieSettings, hooks: Hooks | None = None, *, anonymous: int = ANONYMOUS
    ) -> None:
        """`anonymous` is the lifetime of an anonymous session in microseconds."""
        self._database = database
        self._cookies = cookies
        self._anonymous_lifetime = anonymous
        self._throttle = AnonymousThrottle()
        self.hooks = hooks if hooks is not None else Hooks()

    async def read(self, request: Request, now: int) -> Session | None:
        """Return the live session of the request, or None. One query per request, and one write a minute."""
        current = request.state.of(_RequestSession)
        if not current.was_read:
            key = cookie_key(request)
            stored = await repository.load(self._database, key, now) if key is not None else None
            current.replace(await self._touched(stored, now) if stored is not None else None)
        return current.session

    async def ensure(self, request: Request, now: int) -> Session:
        """Return the session, or start an anonymous one. `finish` sets the cookie.

        Raises TooManyRequests.
        """
        session = await self.read(request, now)
        if session is None:
            pending = self.new_anonymous(request, now)
            await self._database.write(partial(run, pending.statements))
            self.committed(request, pending)
            session = pending.session
        return session

    def new_anonymous(self, request: Request, now: int) -> PendingSession:
        """Return a new anonymous session for a request that has none. The caller commits it with its own statements.

        Raises TooManyRequests.
        """
        self._throttle.admit(request.client, now)
        identifier = new_id()
        session = _anonymous(request, key_of(identifier), now=now, life=self._anonymous_lifetime)
        return PendingSession(session, identifier, (repository.insert(session),))

    def committed(self, request: Request, pending: PendingSession) -> None:
        """Make a session, which is now stored, that of the request. `finish` sets the cookie."""
        request.state.of(_RequestSession).replace(pending.session, cookie=pending.identifier)

    async def sign_in(
        self, request: Request, session: Session, proof: SessionLogin, *, now: int, extra: Iterable[Statement] = ()
    ) -> Session:
        """Sign a user in. In one transaction, the session gets a new id and the old id becomes invalid.

        The session's data moves to the new id, unless another user was signed in before: then it is deleted. `extra`
        are statements of the caller. Raises SessionGone if the id changed meanwhile.
        """
        pending = self.prepare_sign_in(request, session, proof, now=now)
        await self._database.write(partial(run, (*pending.statements, *extra)))
        self.committed(request, pending)
        return pending.session

    def prepare_sign_in(self, request: Request, session: Session, proof: SessionLogin, *, now: int) -> PendingSession:
        """Return the pending session of a sign-in. Its first statement raises SessionGone."""
        identifier = new_id()
        # guard: A40 a sign-in changes the session id
        fresh = _signed_in(request, session, proof, key=key_of(identifier), now=now)
        # guard: A41 a sign-in as another user ends the first user's data
        another = session.user is not None and session.user != proof.user
        statements = (
            repository.remove(session.key, must_exist=True),
            repository.insert(fresh),
            *(one for hook in self.hooks.on_move for one in hook(session, fresh)),
            *(one for hook in self.hooks.on_end if another for one in hook(session.key, now)),
            *(one for hook in self.hooks.on_begin for one in hook(fresh, now)),
        )
        return PendingSession(fresh, identifier, statements)

    async def end(self, request: Request, session: Session, *, now: int, extra: Iterable[Statement] = ()) -> None:
        """Sign out: end the session with its hooks in one transaction, and clear the cookie."""
        statements = [
            repository.remove(session.key, must_exist=False),
            *(one for hook in self.hooks.on_end for one in hook(session.key, now)),
            *(one for hook in self.hooks.on_logout for one in hook(session, now)),
            *extra,
        ]
        await self._database.write(partial(run, statements))
        request.state.of(_RequestSession).replace(None, cookie="")

    async def frontchannel_urls(self, session: Session) -> list[Mapping[str, object]]:
        """Return the front-channel logouts of a session, each as {"url", "provider_name", "binding"}."""
        return [one for hook in self.hooks.on_frontchannel for one in await hook(session)]

    async def end_all(self, user: int, *, now: int, but: bytes | None = None) -> int:
        """End every session of a user, except the one with the key `but`. Returns the number of ended sessions.

        `but` is for a sign-in that ends the other sessions. Its own batch has ended the proofs that wait in other
        browsers.
        """
        return await self._database.write(lambda: self._ending(user, now=now, but=but))

    async def end_one(self, user: int, pk: str, *, now: int) -> bool:
        """End the session with this UUID if it belongs to the user. Returns whether it existed."""
        for session in await self.list(user, now):
            if session.pk == pk:
                statements = [
                    repository.remove(session.key, must_exist=False),
                    *(one for hook in self.hooks.on_end for one in hook(session.key, now)),
                    # guard: A72 ending one session ends the user's waiting proofs
                    *(one for hook in self.hooks.on_close for one in hook(user)),
                ]
                await self._database.write(partial(run, statements))
                return True
        return False

    async def list(self, user: int, now: int) -> list[Session]:
        """Return the live sessions of a user, the most recently used first."""
        return await repository.of_user(self._database, user, now)

    async def replace_data(self, request: Request, session: Session, data: Mapping[str, object]) -> Session:
        """Replace the session's data. Raises SessionGone."""
        await self._database.write(lambda: run([repository.replace_data(session, data)]))
        updated = replace(session, data=dict(data))
        request.state.of(_RequestSession).replace(updated)
        return updated

    def was_read(self, request: Request) -> bool:
        """Return whether this request has read its session."""
        return request.state.of(_RequestSession).was_read

    def cached(self, request: Request) -> Session | None:
        """Return the session that this request has read, or None if it has no session or did not read it."""
        return request.state.of(_RequestSession).session

    def finish(self, request: Request, response: Response) -> None:
        """Set or clear the cookie if the request changed it. The site calls this for every response."""
        current = request.state.of(_RequestSession)
        if current.cookie == "":
            clear_session_cookie(request, response, settings=self._cookies)
        elif current.cookie is not None and current.session is not None:
            set_session_cookie(
                request, response, identifier=current.cookie, session=current.session, settings=self._cookies
            )

    async def _touched(self, session: Session, now: int) -> Session:
        if -TOUCH_EVERY <= now - session.last_seen < TOUCH_EVERY:  # further in the future: the clock was set back
            return session
        await self._database.write(lambda: run([repository.touch(session, now)]))
        return replace(session, last_seen=now, idle_expires=min(now + session.idle, session.expires))

    def _ending(self, user: int, *, now: int, but: bytes | None) -> Batch[int]:
        keys = yield from repository.keys_of_user(user)
        ended = [key for key in keys if key != but]
        for key in ended:
            yield repository.remove(key, must_exist=False)
            yield from run([one for hook in self.hooks.on_end for one in hook(key, now)])
        if but is None:
            # guard: A72 ending all sessions ends the user's waiting proofs
            yield from run([one for hook in self.hooks.on_close for one in hook(user)])
        return len(ended)


def _anonymous(request: Request, key: bytes, *, now: int, life: int) -> Session:
    return Session(
        key=key,
        pk=str(uuid.uuid4()),
        created=now,
        last_seen=now,
        expires=now + life,
        idle_expires=now + life,
        idle=life,
        persistent=False,
        address=request.client,
        user_agent=_agent(request),
    )


def _signed_in(request: Request, old: Session, proof: SessionLogin, *, key: bytes, now: int) -> Session:
    life = lifetime(proof.duration, proof.remember)
    data: Mapping[str, object] = old.data if old.user in {None, proof.user} else {}
    return Session(
        key=key,
        pk=str(uuid.uuid4()),
        created=now,
        last_seen=now,
        expires=now + life.absolute,
        idle_expires=now + min(life.idle, life.absolute),
        idle=life.idle,
        persistent=life.persistent,
        user=proof.user,
        auth_time=now,
        auth_method=proof.auth_method,
        auth_args=proof.auth_args,
        amr=proof.amr,
        address=request.client,
        user_agent=_agent(request),
        who=proof.who,
        data=data if proof.data is None else proof.data,
    )


def _agent(request: Request) -> str:
    return request.headers.get("user-agent", "")[:_AGENT_LIMIT].replace("\0", "")
