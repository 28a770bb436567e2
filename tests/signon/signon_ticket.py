"""A second protocol, as small as one can be: it signs a person on and sends a ticket to the application's address."""

import secrets
from dataclasses import dataclass
from typing import ClassVar

from ostiary.applications.resources import Application
from ostiary.events.event import event
from ostiary.flows.resources import Flow
from ostiary.signon.authorization import authorize, require_access
from ostiary.signon.context import RETURN, RelyingParty, SignOnContext
from ostiary.signon.endpoint import BEFORE_CONSENT, SignOnEndpoint, Step
from ostiary.signon.finishing import finish
from ostiary.signon.person import require_person
from ostiary.signon.returning import require_entry
from ostiary.signon.services import Services
from ostiary.store.workspace.commit import run
from ostiary.web.errors import BadRequest
from ostiary.web.request import Request
from ostiary.web.response import Response, redirect


@dataclass(kw_only=True)
class Context(SignOnContext):
    PROTOCOL: ClassVar[str] = "ticket"
    PATH: ClassVar[str] = "/ticket/"


def parse(request: Request, services: Services) -> Context:
    sent, snapshot = dict(request.query_pairs()), services.plane.snapshot
    application = snapshot.find(Application, slug=sent.get("application", ""))
    if application is None:
        raise BadRequest("invalid_request", "The application is not known here.")
    party, pairs = RelyingParty("none", application), tuple(sent.items())
    return Context(request=request, services=services, snapshot=snapshot, now=services.clock(), pairs=pairs, coming_from=sent.get(RETURN), known_party=party)  # fmt: skip


async def access(context: Context) -> None:
    await require_access(context, {})


async def consent(context: Context) -> Response | None:
    flow = context.snapshot.find(Flow, slug="default-provider-authorization-explicit-consent")
    assert flow is not None
    shown = await authorize(context, flow)
    return None if shown is None else shown.redirect(context.request)


async def ticket(context: Context) -> Response:
    (_, subject), made = context.signed_in, secrets.token_hex(8)
    told = event("authorize_application", user=subject.user.who, app="ticket", context={"id": made}, client_ip=context.request.client, now=context.now)  # fmt: skip
    await finish(context, lambda: run([told]))
    return redirect(f"{context.party.application.meta_launch_url}?ticket={made}")


def ticket_endpoint(services: Services) -> SignOnEndpoint[Context]:
    steps = (Step(require_person), Step(require_entry), Step(access), Step(consent, BEFORE_CONSENT), Step(ticket))
    return SignOnEndpoint(Context.PATH, lambda request: parse(request, services), steps)
