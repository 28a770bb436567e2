"""WebFinger, /.well-known/webfinger (RFC 7033; OpenID Connect Discovery 2): which issuer answers for an address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.applications.resources import Application
from ostiary.brands.select import select
from ostiary.providers.oauth2.provider.client import client_by_slug
from ostiary.web.response import Response, json

if TYPE_CHECKING:
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.web.request import Request

REL: Final = "http://openid.net/specs/connect/1.0/issuer"
_MAX_LENGTH: Final = 2048  # characters of a resource that is repeated


async def webfinger(request: Request, services: OAuth2Services) -> Response:
    """Answer the issuer of the brand's default application; an empty object when there is none. No round trip.

    The answer does not depend on whether such a person exists.
    """
    resource = request.query_one("resource")
    snapshot = services.plane.snapshot
    brand = select(snapshot, request.host)
    application = None
    if brand.default_application is not None:
        application = snapshot.get(Application, brand.default_application)
    client = None if application is None else client_by_slug(snapshot, application.slug)
    body: dict[str, object] = {}
    if client is not None and resource and len(resource) <= _MAX_LENGTH:
        body = {"subject": resource, "links": [{"rel": REL, "href": client.issuer(request.base_url)}]}
    response = json(body)
    response.headers[:] = [("content-type", "application/jrd+json"), ("access-control-allow-origin", "*")]
    return response
