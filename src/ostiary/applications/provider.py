"""The family of providers: the fields and methods of every provider, of any protocol.

Each kind of provider derives from `SignOnProvider`, or from `Provider` if it has no sign-on (such as SCIM), and belongs
to the room of its protocol (`providers.*`). Applications, pages and sign-on know only the family.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from ostiary.record import dataclass
from ostiary.resource import UNIQUE, Help, Length, OnDelete, Reference, Resource

PROVIDER: Final = "authentik_core.provider"

LogoutChannel = Literal["backchannel", "frontchannel"]
"""How a logout is announced to an application: by this server, or through the browser."""

_FLOW: Final = "authentik_flows.flow"


@dataclass(frozen=True, kw_only=True)
class Provider(Resource):
    """The fields of every provider. Its primary key is a whole number, as in authentik."""

    name: Annotated[str, UNIQUE, Length(1)]
    property_mappings: Annotated[
        tuple[str, ...],
        Reference("authentik_core.propertymapping", OnDelete.SET_NULL),
        Help("Claims for the application. With OAuth2, also the scopes that the client may request."),
    ] = ()

    def launch_url(self) -> str | None:
        """Return the launch address for an application that has none of its own, or None."""
        return None

    def logout_channel(self) -> LogoutChannel | None:
        """Return how a logout is announced to the application. None: its tokens end without an announcement."""
        return None


@dataclass(frozen=True, kw_only=True)
class SignOnProvider(Provider):
    """A provider with a sign-on, and the flows of that sign-on."""

    authentication_flow: Annotated[
        str | None,
        Reference(_FLOW, OnDelete.SET_NULL),
        Help("Flow for the sign-in. Default: the brand's."),
    ] = None
    authorization_flow: Annotated[
        str, Reference(_FLOW), Help("Flow between the sign-in and the response to the application.")
    ]
    invalidation_flow: Annotated[str, Reference(_FLOW), Help("Flow for a logout started by the application.")]
