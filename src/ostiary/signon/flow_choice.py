"""The choice of the authentication flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.brands.select import select
from ostiary.flows.resources import Flow
from ostiary.web.errors import HttpError

if TYPE_CHECKING:
    from ostiary.store.configuration.snapshot import Snapshot


def authentication_flow(snapshot: Snapshot, host: str, own: str | None = None) -> Flow | None:
    """Return the authentication flow at that host: the provider's `own`, else the brand's, else None."""
    pk = own or select(snapshot, host).flow_authentication
    return snapshot.get(Flow, pk) if pk is not None else None


def require_authentication_flow(snapshot: Snapshot, host: str, own: str | None = None) -> Flow:
    """Return that flow. Raises HttpError 404."""
    flow = authentication_flow(snapshot, host, own)
    if flow is None:
        raise HttpError(404, "no_authentication_flow", "No way to sign in is set up for this address.")
    return flow
