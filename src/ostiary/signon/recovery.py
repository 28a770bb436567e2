"""Recovery links: they replace the password. Further factors are still required, unless the link says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.directory.users import signed_in
from ostiary.flows.errors import PlanChanged
from ostiary.flows.password_change import password_change
from ostiary.flows.resources import Flow
from ostiary.record import dataclass
from ostiary.resource.timestamp import format_timestamp
from ostiary.seal import Secret
from ostiary.sessions.sessions import SessionLogin
from ostiary.signon.flow_choice import authentication_flow
from ostiary.web.errors import NotFound

if TYPE_CHECKING:
    from ostiary.directory.tokens import Tokens
    from ostiary.directory.user import User
    from ostiary.signon.services import SignOnServices
    from ostiary.web.request import Request

HOME = "/if/user/"
METHOD = "recovery"
NOT_VALID: Final = "This link was used before, or it is too old."


@dataclass(frozen=True, slots=True, kw_only=True)
class Recoverer:
    """The service behind recovery links."""

    tokens: Tokens
    sign_on: SignOnServices

    async def recover(self, request: Request, key: str, now: int) -> str:
        """Consume a key and return the path to redirect to.

        Raises NotFound for an invalid key or an inactive user. Only its logged reason tells which.
        """
        recovery = await self.tokens.consume_recovery(Secret(key), now)
        if recovery is None:
            raise await self._not_valid(Secret(key))
        user = await self.sign_on.users.get(recovery.user)
        if user is None or not user.is_active or user.security_stamp != recovery.security_stamp:
            changed = "the account changed meanwhile"
            raise _refusal(changed if user is None or user.is_active else "the account is not active", user)
        session = await self.sign_on.sessions.ensure(request, now)
        # guard: A32 recovery requires the second factor
        flow = None if recovery.without_mfa else await self._authentication(request, now)
        if flow is None:
            proof = SessionLogin(user=user.pk, who=user.who, auth_method=METHOD)
            try:
                extra = [signed_in(user, now, error=PlanChanged)]
                await self.sign_on.sessions.sign_in(request, session, proof, now=now, extra=extra)
            except PlanChanged:
                raise _refusal("the account changed meanwhile", user) from None
            return self._home(request)
        # The flow starts after the password: identification and password count as passed, all other stages run.
        context = {
            "pending_user": {"pk": user.pk},
            "user_backend": METHOD,
            "auth_method": METHOD,
            "auth_method_args": {},
        }
        home = self._home(request)
        return await self.sign_on.engine.begin(
            request, session, flow, context=context, next_url=home, proof=user, now=now
        )

    async def _not_valid(self, key: Secret) -> NotFound:
        expired = await self.tokens.expired_recovery(key)
        if expired is None:
            return _refusal("no such link: used before, replaced, or long expired")
        user, when = expired
        return _refusal(f"the link expired at {format_timestamp(when)}", user)

    def _home(self, request: Request) -> str:
        """Return the path of the password change; without such a flow, that of the user's applications."""
        home = request.prefix + HOME
        return password_change(request, self.sign_on.plane.snapshot, back=home) or home

    async def _authentication(self, request: Request, now: int) -> Flow | None:
        flow = authentication_flow(self.sign_on.plane.snapshot, request.host)
        return flow or await self.sign_on.engine.first_flow(request, None, "authentication", now=now)


def _refusal(reason: str, user: User | None = None) -> NotFound:
    """Return the error for an invalid link. The reason is for the log and the audit event only."""
    # guard: A42 every link that is not valid has the same response
    refusal = NotFound("recovery_link", NOT_VALID)
    refusal.reason = reason
    refusal.user = None if user is None else user.who
    return refusal
