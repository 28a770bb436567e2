"""The paths below `/api/v3/` that this room serves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from ostiary.api.caller import Callers
from ostiary.api.me import session_user
from ostiary.api.public import CONFIG, current_brand
from ostiary.brands.select import select
from ostiary.record import dataclass
from ostiary.store.configuration.plane import ConfigPlane
from ostiary.web.request import Request
from ostiary.web.response import Response, json
from ostiary.web.router import Route

PREFIX: Final = "/api/v3"


@dataclass(frozen=True, slots=True)
class Api:
    """The services of this room. `roles_of` returns (pk, name) of a user's roles; `clock` microseconds UTC."""

    callers: Callers
    plane: ConfigPlane
    roles_of: Callable[[int], Awaitable[Sequence[tuple[str, str]]]]
    clock: Callable[[], int]

    async def config(self, _request: Request) -> Response:
        """Answer the public configuration."""
        return json(CONFIG)

    async def brand(self, request: Request) -> Response:
        """Answer the brand of the host."""
        snapshot = await self.plane.refresh()
        return json(current_brand(select(snapshot, request.host), snapshot))

    async def me(self, request: Request) -> Response:
        """Answer who the caller is. Raises Forbidden."""
        subject = await self.callers.identify(request, self.clock())
        return json(session_user(subject, await self.roles_of(subject.user.pk)))


def routes(api: Api) -> Sequence[Route]:
    """Return the routes of this room."""
    # guard: A57 the API has no endpoint for blueprints
    return (
        Route("GET", f"{PREFIX}/root/config/", api.config),
        Route("GET", f"{PREFIX}/core/brands/current/", api.brand),
        Route("GET", f"{PREFIX}/core/users/me/", api.me),
    )
