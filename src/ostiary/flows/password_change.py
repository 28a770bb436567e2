"""The password change flow: `configure_flow` of the password stage at sign-in."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from ostiary.brands.select import select
from ostiary.flows.resources import Flow
from ostiary.flows.run.planner import bindings_of
from ostiary.flows.stages.password import PasswordStage

if TYPE_CHECKING:
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.web.request import Request


def password_change(request: Request, snapshot: Snapshot, *, back: str) -> str | None:
    """Return the path of the password change for the signed-in user, which returns to `back`; None without such a flow.

    The stage is that of the brand's sign-in, else the first one by name that has such a flow.
    """
    brand = select(snapshot, request.host)
    flow = snapshot.get(Flow, brand.flow_authentication) if brand.flow_authentication is not None else None
    placed = [] if flow is None else [snapshot.get(PasswordStage, one.stage) for one in bindings_of(flow, snapshot)]
    others = sorted(snapshot.all(PasswordStage), key=lambda stage: stage.name)
    for stage in (*placed, *others):
        if stage is not None and stage.configure_flow and snapshot.get(Flow, stage.configure_flow) is not None:
            return f"{request.prefix}/flows/-/configure/{stage.pk}/?next={quote(back, safe='/')}"
    return None
