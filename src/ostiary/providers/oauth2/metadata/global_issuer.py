"""Metadata of the shared issuer (`issuer_mode: global`), which is the address of the installation itself.

Several providers share it, so its metadata say what the server offers, as RFC 8414 (section 2) has it, and a client may
do less than that: of lists all that any provider has, of abilities whether any has it, of demands (`require_...`)
whether all have it. The keys of all are in its JWKS, so that every token of that issuer can be checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ostiary.proto.oauth2.provider_metadata import Endpoints, metadata
from ostiary.providers.oauth2.device.endpoint import device_flow
from ostiary.providers.oauth2.metadata.capabilities import capabilities_of
from ostiary.providers.oauth2.metadata.endpoints import HERE, document_answer, json_document
from ostiary.providers.oauth2.provider.client import Client, client_by_provider
from ostiary.providers.oauth2.provider.definition import OAuth2Provider
from ostiary.resource import codec
from ostiary.web.errors import NotFound

if TYPE_CHECKING:
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.web.request import Request
    from ostiary.web.response import Response

ROOT = "/application/o"
JWKS = f"{ROOT}/jwks/"
END_SESSION = f"{ROOT}/end-session/"


def global_clients(snapshot: Snapshot) -> Sequence[Client]:
    """Return the clients whose issuer is the installation, by their number."""

    def build() -> Sequence[Client]:
        numbers = sorted(int(item.pk) for item in snapshot.all(OAuth2Provider) if item.issuer_mode == "global")
        return [client for pk in numbers if (client := client_by_provider(snapshot, pk)) is not None]

    return snapshot.memo("oauth2.global", build)


async def global_discovery(request: Request, services: OAuth2Services) -> Response:
    """Answer the metadata of the shared issuer. No round trip. Raises NotFound where no provider has it."""
    snapshot = services.plane.snapshot
    clients = _clients(services)
    devices = device_flow(snapshot, request.host) is not None
    key = ("oauth2.global.discovery", devices)
    body = snapshot.memo(key, lambda: codec.encode(_document(clients, services, devices=devices)))
    return document_answer(request, body, clients)


async def global_jwks(_request: Request, services: OAuth2Services) -> Response:
    """Answer the public keys of all providers with that issuer. No round trip. Raises NotFound where there is none."""
    clients = _clients(services)
    body = services.plane.snapshot.memo("oauth2.global.jwks", lambda: codec.encode(_keys(clients)))
    response = json_document(body)
    response.headers.append(("access-control-allow-origin", "*"))
    return response


def _clients(services: OAuth2Services) -> Sequence[Client]:
    clients = global_clients(services.plane.snapshot)
    if not clients:
        raise NotFound
    return clients


def _document(clients: Sequence[Client], services: OAuth2Services, *, devices: bool) -> Mapping[str, object]:
    root = f"{HERE}{ROOT}"
    endpoints = Endpoints(
        issuer=f"{HERE}/",
        authorization=f"{root}/authorize/",
        token=f"{root}/token/",
        userinfo=f"{root}/userinfo/",
        end_session=f"{HERE}{END_SESSION}",
        introspection=f"{root}/introspect/",
        revocation=f"{root}/revoke/",
        jwks=f"{HERE}{JWKS}",
        pushed=f"{root}/par/",
        device=f"{root}/device/",
    )
    offers = (
        capabilities_of(client, services.options, locales=services.languages, devices=devices) for client in clients
    )
    return merged([metadata(endpoints, offer) for offer in offers])


def merged(documents: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Return one document for all of them; addresses are the same in each."""
    merged: dict[str, object] = {}
    for name in dict.fromkeys(name for document in documents for name in document):
        values = [document[name] for document in documents if name in document]
        if isinstance(values[0], bool):
            flags = [document.get(name) is True for document in documents]
            merged[name] = all(flags) if name.startswith("require_") else any(flags)
        elif isinstance(values[0], list):
            merged[name] = list(dict.fromkeys(item for value in values if isinstance(value, list) for item in value))
        else:
            merged[name] = values[0]
    return merged


def _keys(clients: Iterable[Client]) -> Mapping[str, object]:
    published: list[Mapping[str, object]] = []
    for client in clients:
        published.extend(key for key in client.keys.published if key not in published)
    return {"keys": published} if published else {}
