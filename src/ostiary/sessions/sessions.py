"""The gate every request with a session passes: read, begin, sign in, sign out.

What other rooms hang on a session joins its transactions through hooks, which are lists the application fills:
`on_begin` (sign-in: the audit log), `on_move` (old and new session, when the id changes: plans always move, grants only
when the person is the same), `on_end` (the session is over: grants and plans go), `on_logout` (a person ended it: the
audit log), `on_close` (somebody ended sessions of a person from outside: what waits for them in other browsers ends),
`on_farewell` (what the browser itself should load when it signs out). At a sign-in as another person `on_move` runs
before `on_end` of the old key: what stayed behind ends.
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
from ostiary.sessions.cookie import CookieSettings, give, key_of, new_id, sent_key, take_back
from ostiary.sessions.session import ANONYMOUS, TOUCH_EVERY, Session, lifetime
from ostiary.store.database import Batch, Database, Statement
from ostiary.store.workspace.commit import run
from ostiary.web.request import Request
from ostiary.web.response import Response

_SESSION: Final = "session"  # in request.state: Session or None, once read
_COOKIE: Final = "session_cookie"  # in request.state: the id to give, or "" to take it back
_AGENT_LIMIT: Final = 512  # characters


@dataclass(slots=True)
class Hooks:
    """What joins the gate's transactions. Bytes are session keys; times are microseconds UTC."""

    on_begin: list[Callable[[Session, int], Iterable[Statement]]] = field(default_factory=list)
    on_move: list[Callable[[Session, Session], Iterable[Statement]]] = field(default_factory=list)
    on_end: list[Callable[[bytes, int], Iterable[Statement]]] = field(default_factory=list)
    on_logout: list[Callable[[Session, int], Iterable[Statement]]] = field(default_factory=list)
    on_close: list[Callable[[int], Iterable[Statement]]] = field(default_factory=list)  # gets the person
    on_farewell: list[Callable[[Session], Awaitable[Sequence[Mapping[str, object]]]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A proof that was completed, as the user_login stage hands it over.

    `who` is {"pk", "username", "email"} for the audit log; `duration` and `remember` are microseconds (see
    `session.lifetime`); `data` replaces the session's data when given.
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
    """A session on its way: its `statements` are to be committed by the caller, who then calls `arrived`.

    `identifier` is what only the browser will have.
    """

    session: Session
    identifier: str
    statements: tuple[Statement, ...]


class Sessions:
    """Browser sessions of one database."""

    def __init__(
        self, database: Database, cookies: CookieSettings, hooks: Hooks | None = None, *, anonymous: int = ANONYMOUS
    ) -> None:
        """`anonymous` is how long a session without a person lives, in microseconds."""
        self._database = database
        self._cookies = cookies
        self._unknown = anonymous
        self._newcomers = AnonymousThrottle()
        self.hooks = hooks if hooks is not None else Hooks()

    async def read(self, request: Request, now: int) -> Session | None:
        """Return the living session the browser belongs to, or None. One query a request; touched once a minute."""
        if _SESSION not in request.state:
            key = sent_key(request)
            found = await repository.load(self._database, key, now) if key is not None else None
            request.state[_SESSION] = await self._touched(found, now) if found is not None else None
        session: Session | None = request.state[_SESSION]
        return session

    async def ensure(self, request: Request, now: int) -> Session:
        """Return the session, making one without a person when there is none. `finish` gives the cookie.

        Raises TooManyRequests.
        """
        session = await self.read(request, now)
        if session is None:
            coming = self.beginning(request, now)
            await self._database.write(partial(run, coming.statements))
            self.arrived(request, coming)
            session = coming.session
        return session

    def beginning(self, request: Request, now: int) -> PendingSession:
        """Return a session without a person, for a request that has none, to be stored with what the caller writes.

        Raises TooManyRequests.
        """
        self._newcomers.admit(request.client, now)
        identifier = new_id()
        session = _anonymous(request, key_of(identifier), now=now, life=self._unknown)
        return PendingSession(session, identifier, (repository.insert(session),))

    def arrived(self, request: Request, coming: PendingSession) -> None:
        """Note that the session is stored: the request goes on in it, `finish` gives the cookie."""
        request.state[_SESSION] = coming.session
        request.state[_COOKIE] = coming.identifier

    async def sign_in(
        self, request: Request, session: Session, proof: SignIn, *, now: int, extra: Iterable[Statement] = ()
    ) -> Session:
        """Sign a person in: a new id, the old one dead at once, and everything in one transaction.

        What hung on the session moves along, but when another person was signed in before, what hung on that
        person's session ends. `extra` are statements of the caller. Raises SessionGone when the id moved meanwhile.
        """
        coming = self.signing_in(request, session, proof, now=now)
        await self._database.write(partial(run, (*coming.statements, *extra)))
        self.arrived(request, coming)
        return coming.session

    def signing_in(self, request: Request, session: Session, proof: SignIn, *, now: int) -> PendingSession:
        """Return the same, to be stored with what the caller writes. Its first statement is guarded by SessionGone."""
        identifier = new_id()
        # guard: A40 a sign-in gives a new id
        fresh = _signed_in(request, session, proof, key=key_of(identifier), now=now)
        # guard: A41 another person ends what the first one left
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
        """Sign out: the session and what hangs on it end in one transaction, the cookie is taken back."""
        statements = [
            repository.remove(session.key, must_exist=False),
            *(one for hook in self.hooks.on_end for one in hook(session.key, now)),
            *(one for hook in self.hooks.on_logout for one in hook(session, now)),
            *extra,
        ]
        await self._database.write(partial(run, statements))
        request.state[_SESSION] = None
        request.state[_COOKIE] = ""

    async def farewells(self, session: Session) -> list[Mapping[str, object]]:
        """Return what a browser should load when this session ends: {"url", "provider_name", "binding"} each."""
        return [one for hook in self.hooks.on_farewell for one in await hook(session)]

    async def end_all(self, user: int, *, now: int, but: bytes | None = None) -> int:
        """End every session of a person, except the one of key `but`. Returns how many ended.

        With `but` it is a sign-in that ends the others, which has ended what waits in other browsers in its own batch.
        """
        return await self._database.write(lambda: self._ending(user, now=now, but=but))

    async def end_one(self, user: int, pk: str, *, now: int) -> bool:
        """End the session of that UUID if it is that person's. Tells whether there was one."""
        for session in await self.list(user, now):
            if session.pk == pk:
                statements = [
                    repository.remove(session.key, must_exist=False),
                    *(one for hook in self.hooks.on_end for one in hook(session.key, now)),
                    # guard: A72 ending one session ends what waits
                    *(one for hook in self.hooks.on_close for one in hook(user)),
                ]
                await self._database.write(partial(run, statements))
                return True
        return False

    async def list(self, user: int, now: int) -> list[Session]:
        """Return the living sessions of a person, the latest seen first."""
        return await repository.of_user(self._database, user, now)

    async def keep(self, request: Request, session: Session, data: Mapping[str, object]) -> Session:
        """Replace the session's data. Raises SessionGone."""
        await self._database.write(lambda: run([repository.keep(session, data)]))
        kept = replace(session, data=dict(data))
        request.state[_SESSION] = kept
        return kept

    def was_read(self, request: Request) -> bool:
        """Say whether this request has asked for its session."""
        return _SESSION in request.state

    def known(self, request: Request) -> Session | None:
        """Return the session as this request has left it; None when there is none, or nobody asked."""
        session: Session | None = request.state.get(_SESSION)
        return session

    def finish(self, request: Request, response: Response) -> None:
        """Give or take back the cookie as the request decided. The site calls this for every response."""
        identifier: str | None = request.state.get(_COOKIE)
        session: Session | None = request.state.get(_SESSION)
        if identifier == "":
            take_back(request, response, settings=self._cookies)
        elif identifier is not None and session is not None:
            give(request, response, identifier=identifier, session=session, settings=self._cookies)

    async def _touched(self, session: Session, now: int) -> Session:
        if -TOUCH_EVERY <= now - session.last_seen < TOUCH_EVERY:  # further ahead: the clock was wrong
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
            # guard: A72 ending all sessions ends what waits
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


def _signed_in(request: Request, old: Session, proof: SignIn, *, key: bytes, now: int) -> Session:
    life = lifetime(proof.duration, proof.remember)
    carried: Mapping[str, object] = old.data if old.user in {None, proof.user} else {}
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
        data=carried if proof.data is None else proof.data,
    )


def _agent(request: Request) -> str:
    return request.headers.get("user-agent", "")[:_AGENT_LIMIT].replace("\0", "")
