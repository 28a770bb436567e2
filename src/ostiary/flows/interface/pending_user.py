"""The pending user of a flow, and what its pages may show of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.flows.interface.stage_context import StageContext
from ostiary.flows.people.avatar import avatar

if TYPE_CHECKING:
    from ostiary.directory.user import User


async def pending_user(stage_context: StageContext) -> User | None:
    """Return the current record of the pending user, else of the signed-in user."""
    pk = stage_context.pending_pk
    if pk is None and "pending_user" not in stage_context.context:
        pk = stage_context.session.user
    return await stage_context.person(pk) if pk is not None else None


async def person_fields(stage_context: StageContext) -> dict[str, object]:
    """Return `pending_user` and `pending_user_avatar` of a challenge.

    Before a proof, only the typed name is shown. A name from the directory would reveal that an account exists.
    """
    typed = stage_context.text("pending_user_identifier")
    proven = "user_backend" in stage_context.context or "auth_method" in stage_context.context
    name = typed
    # guard: A42 before the password only the typed name is shown
    if name is None or proven:
        user = await pending_user(stage_context)
        name = user.username if user is not None else (typed or "")
    return {"pending_user": name, "pending_user_avatar": avatar(name) if name else ""}
