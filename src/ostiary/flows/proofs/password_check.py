"""Password checks at sign-in. They are throttled, and cost and look the same whether the account exists or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from ostiary.directory.attempts import Account, Attempt
from ostiary.directory.errors import Busy, PasswordTooLong, Throttled
from ostiary.directory.passwords.credentials import Credentials
from ostiary.directory.passwords.hash_queue import Requester
from ostiary.events.event import event
from ostiary.flows.interface.stage_context import StageContext
from ostiary.flows.people.subject_cache import forget
from ostiary.flows.proofs.known_browser import known_browser, name_for
from ostiary.record import dataclass
from ostiary.seal import Secret
from ostiary.web.addresses import address_keys
from ostiary.web.errors import HttpError, TooManyRequests

if TYPE_CHECKING:
    from ostiary.directory.user import User
    from ostiary.store.database import Statement

INBUILT: Final = "authentik.core.auth.InbuiltBackend"
TOKEN: Final = "authentik.core.auth.TokenBackend"  # noqa: S105 - the name of a back end
_BUSY_SECONDS: Final = 2


class PasswordRules(Protocol):
    """The settings of a password stage."""

    @property
    def backends(self) -> Sequence[str]:
        """The back ends to try, in order."""
        ...


@dataclass(frozen=True, slots=True)
class PasswordProven:
    """The password was right. `context` goes into the plan; `writes` are committed with it.

    `user` was read before the check, so that a change during the check ends the sign-in.
    """

    user: User
    context: Mapping[str, object]
    writes: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class PasswordFailed:
    """The password was wrong. `writes` have the event. The failure is counted already."""

    writes: tuple[Statement, ...]


async def prove_password(
    stage_context: StageContext, rules: PasswordRules, *, user: User | None, typed: str, password: str
) -> PasswordProven | PasswordFailed:
    """Check a password. The account may not exist (`user` None) or be inactive.

    Raises TooManyRequests while account or address are throttled, HttpError 503 when the password queue is full.
    """
    services = stage_context.services
    browser = known_browser(stage_context.request, services.cookie_key, stage_context.now)
    attempt = await _count_attempt(stage_context, user, typed, name_for(browser, user, services.cookie_key))
    requester = Requester(address_keys(stage_context.client), None if browser is None else browser.name)
    try:
        backend = await _right_backend(stage_context, rules, user, Secret(password), requester=requester)
        forget(stage_context.request)
    except Busy as error:
        await services.attempts.cancel(attempt)
        headers = (("retry-after", str(_BUSY_SECONDS)),)
        raise HttpError(503, error.code, "Too many people are signing in. Try again.", headers=headers) from None
    # guard: A30 the wrong password does not pass
    if user is not None and backend is not None and user.is_active:
        return PasswordProven(user, _context(user, backend), tuple(services.attempts.succeeded(attempt)))
    reason = "unknown_user" if user is None else "password" if backend is None else "inactive"
    stage_context.services.sign_ins.failed(user=_name(user), address=stage_context.client, reason=reason)
    # Bad guesses lower the score of the account and of the address.
    lowered = services.reputation.failed(_name(user), stage_context.client, now=stage_context.now)
    return PasswordFailed((*_failure_event(stage_context, user), *lowered))


async def _count_attempt(stage_context: StageContext, user: User | None, typed: str, browser: str | None) -> Attempt:
    """Count the attempt before the check. Raises TooManyRequests."""
    # guard: A69 failures delay the next attempt
    account = Account(None if user is None else user.pk, typed)
    try:
        return await stage_context.services.attempts.begin(
            account, stage_context.client, stage_context.now, browser=browser
        )
    except Throttled as error:
        stage_context.services.sign_ins.failed(user=_name(user), address=stage_context.client, reason="throttled")
        refusal = TooManyRequests(retry_after=error.retry_after, message="Too many failed attempts. Wait a little.")
        refusal.user = None if user is None else user.who
        raise refusal from None


async def _right_backend(
    stage_context: StageContext, rules: PasswordRules, user: User | None, password: Secret, *, requester: Requester
) -> str | None:
    """Try the back ends in order. A hash is always computed, so that the time reveals nothing."""
    services = stage_context.services
    for backend in rules.backends:
        if backend == INBUILT:
            try:
                if await Credentials(services.database, services.passwords).verify(user, password, requester):
                    return backend
            except PasswordTooLong:
                await services.passwords.dummy(requester)
        if (
            backend == TOKEN
            and user is not None
            and await services.tokens.app_password(user.pk, password, stage_context.now)
        ):
            return backend
    return None


def _context(user: User, backend: str) -> Mapping[str, object]:
    return {
        "pending_user": {"pk": user.pk, "username": user.username},
        "user_backend": backend,
        "auth_method": "app_password" if backend == TOKEN else "password",
        "auth_method_args": {},
    }


def _name(user: User | None) -> str | None:
    # guard: A73 an unknown user name is not logged
    return None if user is None else user.username


def _failure_event(stage_context: StageContext, user: User | None) -> Sequence[Statement]:
    """Return the event of a failure. None for unknown names, because users type passwords there by mistake."""
    if user is None:
        # guard: A68 an unknown user name creates no event
        return ()
    return (
        event(
            "login_failed",
            user=user.who,
            app="authentik.events.signals",
            context={"username": user.username, "stage": "password"},
            client_ip=stage_context.client,
            now=stage_context.now,
        ),
    )
