"""Discovery and JWKS of one client (OpenID Connect Discovery 4, RFC 8414 3, RFC 7517 5).

Both documents are encoded once for each snapshot; only the address of the request is filled in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ostiary.proto.oauth2.provider_metadata import Endpoints, metadata
from ostiary.providers.oauth2.device.endpoint import device_flow
from ostiary.providers.oauth2.json_responses import allow_origin
from ostiary.providers.oauth2.metadata.capabilities import capabilities_of
from ostiary.providers.oauth2.provider.client import Client, client_by_slug
from ostiary.resource import codec
from ostiary.web.errors import NotFound
from ostiary.web.response import Response, redirect

if TYPE_CHECKING:
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.web.request import Request

HERE: Final = "\ue000"
"""Placeholder for the address of the request: a character of private use, which no part of the document has."""


async def discovery(request: Request, services: OAuth2Services) -> Response:
    """Answer the metadata of an application's client. No round trip."""
    client, snapshot = find_client(request, services), services.plane.snapshot
    devices = device_flow(snapshot, request.host) is not None
    key = ("oauth2.discovery", client.pk, devices)
    document = snapshot.memo(key, lambda: _document(client, services, devices=devices))
    return document_answer(request, document, [client])


def document_answer(request: Request, document: bytes, clients: Sequence[Client]) -> Response:
    """Return metadata with the address of the request filled in; CORS allows the origins of the clients."""
    origin = request.headers.get("origin")
    allowed = next((client for client in clients if origin in client.origins), None)
    response = json_document(document.replace(HERE.encode(), codec.encode(request.base_url)[1:-1]))
    return allow_origin(request, response, allowed)


async def jwks(request: Request, services: OAuth2Services) -> Response:
    """Answer the public keys; an empty object when tokens are signed with the client secret. No round trip."""
    client = find_client(request, services)
    response = json_document(_jwks(services.plane.snapshot, client))
    response.headers.append(("access-control-allow-origin", "*"))
    return response


async def provider_root(request: Request, services: OAuth2Services) -> Response:
    """Send the browser from the issuer's address to discovery."""
    client = find_client(request, services)
    return redirect(f"{request.prefix}/application/o/{client.application.slug}/.well-known/openid-configuration")


def find_client(request: Request, services: OAuth2Services) -> Client:
    """Return the client of the application in the path. Raises NotFound."""
    client = client_by_slug(services.plane.snapshot, request.params["slug"])
    if client is None:
        raise NotFound
    return client


def metadata_endpoints(client: Client, base_url: str) -> Endpoints:
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
        pushed=f"{root}/par/",
        device=f"{root}/device/",
        check_session=f"{own}/check-session/",
    )


def _document(client: Client, services: OAuth2Services, *, devices: bool) -> bytes:
    offer = capabilities_of(client, services.options, locales=services.languages, devices=devices)
    return codec.encode(metadata(metadata_endpoints(client, HERE), offer))


def _jwks(snapshot: Snapshot, client: Client) -> bytes:
    def build() -> bytes:
        published = client.keys.published
        return codec.encode({"keys": published} if published else {})

    return snapshot.memo(("oauth2.jwks", client.pk), build)


def json_document(body: bytes) -> Response:
    """Return a document that was encoded before."""
    return Response(200, body, [("content-type", "application/json")])
