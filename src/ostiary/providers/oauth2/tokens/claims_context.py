"""The context of property mappings in OAuth2: the request, and the provider with its application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.brands.select import select
from ostiary.mappings.mapping_context import MappingContext

if TYPE_CHECKING:
    from ostiary.providers.oauth2.provider.client import Client
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.signon.explain.situation import Situation
    from ostiary.web.request import Request


def mapping_context_for(client: Client, services: OAuth2Services, request: Request, *, now: int) -> MappingContext:
    """Return the context of a client's mappings for a request."""
    return MappingContext(
        now=now,
        evaluator=services.evaluator,
        request=request,
        brand=select(services.plane.snapshot, request.host).shown,
        provider=provider_fields(client),
        client_ip=request.client,
    )


def preview_mapping_context(client: Client, situation: Situation) -> MappingContext:
    """Return the context of a client's mappings in an explanation: a trial, without effects."""
    return MappingContext(
        now=situation.now,
        evaluator=situation.evaluator,
        provider=provider_fields(client),
        client_ip=situation.client_ip,
        trial=True,
    )


def provider_fields(client: Client) -> dict[str, object]:
    """Return the fields of a provider and its application, without its secrets."""
    provider, application = client.provider, client.application
    return {
        "pk": client.pk,
        "name": provider.name,
        "client_id": provider.client_id,
        "client_type": provider.client_type,
        "issuer_mode": provider.issuer_mode,
        "sub_mode": provider.sub_mode,
        "_application": application.shown,
    }
