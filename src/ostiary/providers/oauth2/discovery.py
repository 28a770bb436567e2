"""Discovery and keys: what a client reads before it speaks (OpenID Connect Discovery 4, RFC 8414 3, RFC 7517 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.proto.oauth2.discovery import Endpoints, metadata
from ostiary.providers.oauth2.answers import allow_origin
from ostiary.providers.oauth2.claims import ACR
from ostiary.providers.oauth2.client import Client, client_by_slug, offered_scopes
from ostiary.web.errors import NotFound
from ostiary.web.response import Response, json, redirect

if TYPE_CHECKING:
    from ostiary.providers.oauth2.services import Services
    from ostiary.web.request import Request


async def discovery(request: Request, services: Services) -> Response:
    """Answer the metadata of an application's client. No round trip."""
    client = find_client(request, services)
    document = metadata(
        endpoints(client, request.base_url),
        algorithm=client.key.algorithm,
        acr=ACR,
        scopes=offered_scopes(client),
        claims=client.claim_set.claim_names(),
        public=client.public,
    )
    return allow_origin(request, json(document), client)


async def jwks(request: Request, services: Services) -> Response:
    """Answer the public keys; an empty object when tokens are signed with the client secret. No round trip."""
    client = find_client(request, services)
    response = json({} if client.jwk is None else {"keys": [client.jwk]})
    response.headers.append(("access-control-allow-origin", "*"))
    return response


async def provider_root(request: Request, services: Services) -> Response:
    """Send the browser from the issuer's address to discovery."""
    client = find_client(request, services)
    return redirect(f"{request.prefix}/application/o/{client.application.slug}/.well-known/openid-configuration")


def find_client(request: Request, services: Services) -> Client:
    """Return the client of the application in the path. Raises NotFound."""
    client = client_by_slug(services.plane.snapshot, request.params["slug"])
    if client is None:
        raise NotFound
    return client


def endpoints(client: Client, base_url: str) -> Endpoints:
    """Return the addresses under the host the request came to."""
    root = f"{base_url}/application/o"
    own = f"{root}/{client.application.slug}"
    return Endpoints(
        issuer=client.issuer(base_url),
        authorization=f"{root}/authorize/",
        token=f"{root}/token/",
        userinfo=f"{root}/userinfo/",
        end_session=f"{own}/end-session/",
        introspection=f"{root}/introspect/",
        revocation=f"{root}/revoke/",
        jwks=f"{own}/jwks/",
    )
