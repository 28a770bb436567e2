"""/device: where a person enters the code a device shows them (RFC 8628 3.3), and what comes before the device gets in.

Sign in, the brand's flow with the code at its end, the application's policies, the provider's authorization flow. The
person is always asked at the end, with the application's name, even where its flow asks nothing or a consent is
remembered: a code may have been sent to them by somebody who wants to be let in (RFC 8628 5.4).

What the person allows is left for the device by a stage at the end of the authorization flow (`stages`): the device
fetches it, and the browser has nothing to bring back.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar
from urllib.parse import quote

from ostiary.flows.resources import Flow
from ostiary.flows.run.decline import DECLINED_STAGE
from ostiary.grants.device_codes import DeviceGrant, deny_device, find_claimed
from ostiary.proto.oauth2.device_authorization import read_user_code
from ostiary.providers.oauth2.device.endpoint import PAGE, device_flow
from ostiary.providers.oauth2.device.stages import APPROVE, CODE, CONSENT, DECLINED, FINISH, policy_facts
from ostiary.providers.oauth2.provider.client import Client, client_by_provider
from ostiary.providers.oauth2.refusals import report_refusal
from ostiary.record import dataclass
from ostiary.signon.authorization import (
    begin_flow,
    check_access,
    consent_stage_of,
    flow_context,
    require_authorization_flow,
)
from ostiary.signon.context import ANOTHER, CannotContinue, RelyingParty, RequiredField, SignOnContext
from ostiary.signon.endpoint import SignOnEndpoint, Step
from ostiary.signon.person import find_person, require_person
from ostiary.store.hashing import token_hash
from ostiary.web.errors import HttpError, NotFound
from ostiary.web.response import Response, redirect

if TYPE_CHECKING:
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.web.request import Request

D = TypeVar("D", bound="DeviceContext")

AUTHORIZE: Final = "/device/authorize/"
_SIGN_OUT: Final = "/flows/-/default/invalidation/"


@dataclass(slots=True, kw_only=True)
class DeviceContext(SignOnContext):
    """What both pages know: `code` is that of the address, "" when it has none that could be one.

    The flows they begin lead back to the same address whatever became of them.
    """

    PROTOCOL: ClassVar[str] = "oauth2.device"

    services: OAuth2Services
    code: str
    known_client: Client | None = None

    def return_url(self, returning_from: str) -> str:
        """Return the page's own address."""
        del returning_from
        return f"{self.request.prefix}{self.PATH}" + (f"?code={quote(self.code, safe='')}" if self.code else "")


@dataclass(slots=True, kw_only=True)
class CodeContext(DeviceContext):
    """A request for the page where codes are entered. The client is known once a code was entered."""

    PATH: ClassVar[str] = PAGE

    known_flow: Flow | None = None

    flow = RequiredField[Flow]("known_flow")
    """The brand's flow in which codes are entered."""


@dataclass(slots=True, kw_only=True)
class ApprovalContext(DeviceContext):
    """A request for the authorization flow of the application whose device shows the code."""

    PATH: ClassVar[str] = AUTHORIZE

    known_grant: DeviceGrant | None = None

    client = RequiredField["Client"]("known_client")
    """The client that the device is."""
    grant = RequiredField[DeviceGrant]("known_grant")
    """The device's request, whose code was entered in this session."""

    def return_url(self, returning_from: str) -> str:
        """Return the page's own address. Another person begins anew: the code belongs to this session."""
        if returning_from == ANOTHER:
            return f"{self.request.prefix}{_SIGN_OUT}"
        return DeviceContext.return_url(self, returning_from)

    def authorization_context(self) -> Mapping[str, object]:
        """Return what people allow, and which device waits for it."""
        name, described = self.client.application.name, self.client.claim_set.described(self.grant.scope)
        return {
            "consent_header": f"{name} wants to sign you in on another device.",
            "consent_permissions": [{"id": one.scope_name, "name": one.description} for one in described],
            "consent_always": True,
            DECLINED_STAGE: DECLINED,
            "device_grant": self.grant.user_hash.hex(),
            "redirect": f"{self.request.prefix}/",
        }


def code_endpoint(services: OAuth2Services) -> SignOnEndpoint[CodeContext]:
    """Return GET /device: sign in if need be, then the flow that asks for the code."""
    return SignOnEndpoint(PAGE, partial(_parse, CodeContext, services), CODE_STEPS, refuse=_refuse)


def approval_endpoint(services: OAuth2Services) -> SignOnEndpoint[ApprovalContext]:
    """Return GET /device/authorize/: policies and the authorization flow, for a code entered in this session."""
    return SignOnEndpoint(AUTHORIZE, partial(_parse, ApprovalContext, services), APPROVAL_STEPS, refuse=_refuse)


def _parse(kind: type[D], services: OAuth2Services, request: Request) -> D:
    return kind(
        request=request,
        services=services,
        code=read_user_code(request.query_one("code")) or "",
        pairs=(),
        snapshot=services.plane.snapshot,
        now=services.clock(),
    )


async def _refuse(context: DeviceContext, error: Exception) -> Response:
    """Write the refusal to log and events, and answer with its page."""
    if isinstance(error, HttpError):
        subject = context.known_subject
        user = None if subject is None else subject.user.who
        await report_refusal(context.request, context.services, error, client=context.known_client, user=user)
    raise error


async def _brand_flow(context: CodeContext) -> Response | None:
    """Find the brand's flow. 404 unless it has one."""
    context.known_flow = device_flow(context.snapshot, context.request.host)
    if context.known_flow is None:
        raise NotFound("no_device_flow", "Signing in devices is not set up for this address.")
    return None


async def _ask_code(context: CodeContext) -> Response:
    interaction = await begin_flow(context, context.flow, {"device_code": context.code}, append=(CODE,))
    return interaction.redirect(context.request)


async def _entered(context: ApprovalContext) -> Response | None:
    """Find the device whose code was entered in this session; else the code is asked for."""
    if context.redirect_only:
        raise CannotContinue  # the flow that ends claims the code, and has not committed that yet
    if not await find_person(context) or not context.code:
        return redirect(f"{context.request.prefix}{PAGE}")
    session, _ = context.signed_in
    database = context.services.database
    grant = await find_claimed(database, token_hash(context.code), session.key, now=context.now)
    client = None if grant is None else client_by_provider(context.snapshot, grant.provider)
    if grant is None or client is None:
        raise HttpError(400, "invalid_device_code", "This code is no longer valid. Start again.")
    context.known_grant, context.known_client = grant, client
    context.known_party = RelyingParty(client.provider, client.application)
    return None


async def _allowed(context: ApprovalContext) -> Response | None:
    """The application's policies (A13). After a refusal the device gets access_denied."""
    grant = context.grant
    refusal = await check_access(context, policy_facts(grant), if_refused=(deny_device(grant),))
    # guard: A13 the policies are evaluated when the code is entered
    if refusal is not None:
        raise refusal
    return None


async def _approve(context: ApprovalContext) -> Response:
    """Begin the provider's authorization flow, with a consent stage that no policy leaves out, and the approval."""
    flow = require_authorization_flow(context.snapshot, context.client.provider.authorization_flow)
    consent = () if consent_stage_of(flow, context.snapshot, always=True) is not None else (CONSENT,)
    interaction = await begin_flow(context, flow, flow_context(context), append=(*consent, APPROVE, FINISH))
    return interaction.redirect(context.request)


CODE_STEPS: Final[tuple[Step[CodeContext], ...]] = (
    Step(_brand_flow),
    Step(require_person),
    Step(_ask_code),
)
APPROVAL_STEPS: Final[tuple[Step[ApprovalContext], ...]] = (
    Step(_entered),
    Step(_allowed),
    Step(_approve),
)
