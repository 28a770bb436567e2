"""The family of providers: the fields and verbs of every provider, whatever its protocol.

A kind of provider derives from `SignOnProvider`, or from `Provider` when it signs nobody on (as SCIM), and lies in the
room of its protocol (`providers.*`). Applications, pages and sign-on know the family only.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from ostiary.record import dataclass
from ostiary.resource import UNIQUE, Help, Length, OnDelete, Reference, Resource

PROVIDER: Final = "authentik_core.provider"

LogoutChannel = Literal["backchannel", "frontchannel"]
"""The way in which an application hears of a logout: from this server, or through the browser."""

_FLOW: Final = "authentik_flows.flow"


@dataclass(frozen=True, kw_only=True)
class Provider(Resource):
    """The fields of every provider. Its primary key is a whole number, as in authentik."""

    name: Annotated[str, UNIQUE, Length(1)]
    property_mappings: Annotated[
        tuple[str, ...],
        Reference("authentik_core.propertymapping", OnDelete.SET_NULL),
        Help("What the application is told about people; at OAuth2 also the scopes that the client may ask for."),
    ] = ()

    def launch_url(self) -> str | None:
        """Return the address at which people open an application that names none itself; None: there is none."""
        return None

    def logout_channel(self) -> LogoutChannel | None:
        """Return how the application hears that a session has ended; None: what it issued there ends, unheard."""
        return None


@dataclass(frozen=True, kw_only=True)
class SignOnProvider(Provider):
    """A provider that signs people on, with the flows that stand around it."""

    authentication_flow: Annotated[
        str | None,
        Reference(_FLOW, OnDelete.SET_NULL),
        Help("Flow in which people sign in; without it the brand's."),
    ] = None
    authorization_flow: Annotated[
        str, Reference(_FLOW), Help("Flow that people pass before the application gets an answer.")
    ]
    invalidation_flow: Annotated[str, Reference(_FLOW), Help("Flow that is run when the application signs people out.")]
