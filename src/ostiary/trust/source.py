"""The family of sources: what every source has, whatever its protocol.

A kind of source derives from `Source` and lies in the room of its sign-in (`sources.*`). The OAuth source is here
because providers verify tokens of its issuer.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from ostiary.record import dataclass
from ostiary.resource import SLUG, UNIQUE, Help, Length, OnDelete, Reference, Resource

SOURCE: Final = "authentik_core.source"

SLUG_PLACEHOLDER: Final = "%(slug)s"
"""What stands for the slug of the source in the path of its users."""

_FLOW: Final = Reference("authentik_flows.flow", OnDelete.SET_NULL)
_MAPPINGS: Final = Reference("authentik_core.propertymapping", OnDelete.SET_NULL)


@dataclass(frozen=True, kw_only=True)
class Source(Resource):
    """The fields of every source. A reference to the family (`SOURCE`) leads to any of them."""

    name: Annotated[str, Length(1), Help("What people read where they choose how to sign in.")]
    slug: Annotated[str, SLUG, UNIQUE, Length(1), Help("Name of the source in addresses.")]
    enabled: Annotated[bool, Help("A source that is not enabled proves nobody.")] = True
    promoted: Annotated[bool, Help("Shown before the others.")] = False
    authentication_flow: Annotated[str | None, _FLOW, Help("Flow for people who are known already.")] = None
    enrollment_flow: Annotated[str | None, _FLOW, Help("Flow for people who are new.")] = None
    user_property_mappings: Annotated[tuple[str, ...], _MAPPINGS] = ()
    group_property_mappings: Annotated[tuple[str, ...], _MAPPINGS] = ()
    policy_engine_mode: Annotated[Literal["all", "any"], Help("Whether all bindings must pass, or one is enough.")] = (
        "any"
    )
    user_matching_mode: Annotated[
        Literal["identifier", "email_link", "email_deny", "username_link", "username_deny"],
        Help("How somebody of the source is found among the users."),
    ] = "identifier"
    user_path_template: Annotated[str, Length(1), Help("Path of the users it makes; %(slug)s is filled in.")] = (
        "goauthentik.io/sources/%(slug)s"
    )
    icon: Annotated[str, Help("Path or address of the icon.")] = ""
    group_matching_mode: Annotated[
        Literal["identifier", "name_link", "name_deny"], Help("How a group of the source is found among the groups.")
    ] = "identifier"

    @property
    def user_path(self) -> str:
        """The path of the users that the source creates."""
        return self.user_path_template.replace(SLUG_PLACEHOLDER, self.slug)
