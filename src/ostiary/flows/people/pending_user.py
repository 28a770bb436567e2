"""Who a flow is about, and what its pages may say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.flows.people.avatar import avatar
from ostiary.flows.run.stage_context import Visit

if TYPE_CHECKING:
    from ostiary.directory.user import User


async def pending_user(visit: Visit) -> User | None:
    """Return the pending user as the directory knows them now, else whoever is signed in."""
    pk = visit.pending_pk
    if pk is None and "pending_user" not in visit.context:
        pk = visit.session.user
    return await visit.person(pk) if pk is not None else None


async def person_fields(visit: Visit) -> dict[str, object]:
    """Return `pending_user` and `pending_user_avatar` of a challenge.

    Before anything is proven only what was typed is shown: a name read from the directory would tell that, and to
    whom, an address belongs.
    """
    typed = visit.text("pending_user_identifier")
    proven = "user_backend" in visit.context or "auth_method" in visit.context
    name = typed
    if name is None or proven:
        user = await pending_user(visit)
        name = user.username if user is not None else (typed or "")
    return {"pending_user": name, "pending_user_avatar": avatar(name) if name else ""}
