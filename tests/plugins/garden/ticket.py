"""A second protocol, as small as one can be: it signs a person on and sends a ticket to the application's address."""

import secrets
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlencode

from garden.ticket_mapping import print_on_ticket
from garden.ticket_provider import TicketProvider
from ostiary.applications.by_provider import provider_of
from ostiary.applications.resources import Application
from ostiary.events.event import event
from ostiary.signon.authorization import authorize, require_access
from ostiary.signon.completion import require_arrival
from ostiary.signon.context import RETURN, RelyingParty, SignOnContext
from ostiary.signon.endpoint import BEFORE_CONSENT, SignOnEndpoint, Step
from ostiary.signon.final_commit import finish
from ostiary.signon.person import require_person
from ostiary.signon.services import SignOnServices
from ostiary.store.workspace.commit import run
from ostiary.web.errors import BadRequest
from ostiary.web.request import Request
from ostiary.web.response import Response, redirect


@dataclass(kw_only=True)
class Context(SignOnContext):
    PROTOCOL: ClassVar[str] = "ticket"
    PATH: ClassVar[str] = "/ticket/"
    provider: TicketProvider


def parse(request: Request, services: SignOnServices) -> Context:
    sent, snapshot = dict(request.query_pairs()), services.plane.snapshot
    application = snapshot.find(Application, slug=sent.get("application", ""))
    provider = None if application is None else provider_of(snapshot, application)
    if application is None or not isinstance(provider, TicketProvider):
        raise BadRequest("invalid_request", "The application is not known here.")
    return Context(request=request, services=services, snapshot=snapshot, now=services.clock(), pairs=tuple(sent.items()), returning_from=sent.get(RETURN), provider=provider, known_party=RelyingParty(provider, application))  # fmt: skip


async def consent(context: Context) -> Response | None:
    shown = await authorize(context)
    return None if shown is None else shown.redirect(context.request)


async def ticket(context: Context) -> Response:
    (_, subject), number = context.signed_in, secrets.token_hex(8)
    printed = print_on_ticket(context.provider, context.snapshot, subject)
    issued = event("authorize_application", user=subject.user.who, app="ticket", context={"id": number}, client_ip=context.request.client, now=context.now)  # fmt: skip
    await finish(context, lambda: run([issued]))
    return redirect(f"{context.provider.address}?{urlencode(printed | {'ticket': number})}")


def ticket_endpoint(services: SignOnServices) -> SignOnEndpoint[Context]:
    access: Step[Context] = Step(lambda context: require_access(context, {}))
    steps = (Step(require_person), Step(require_arrival), access, Step(consent, BEFORE_CONSENT), Step(ticket))
    return SignOnEndpoint(Context.PATH, lambda request: parse(request, services), steps)
