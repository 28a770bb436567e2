"""The family of sources: the fields of every source, of any protocol.

Each kind of source derives from `Source` and belongs to the room of its sign-in (`sources.*`). The OAuth source is in
this room because providers verify tokens of its issuer.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from ostiary.record import dataclass
from ostiary.resource import SLUG, UNIQUE, Help, Length, OnDelete, Reference, Resource

SOURCE: Final = "authentik_core.source"

SLUG_PLACEHOLDER: Final = "%(slug)s"
"""The placeholder for the source's slug in `user_path_template`."""

_FLOW: Final = Reference("authentik_flows.flow", OnDelete.SET_NULL)
_MAPPINGS: Final = Reference("authentik_core.propertymapping", OnDelete.SET_NULL)


@dataclass(frozen=True, kw_only=True)
class Source(Resource):
    """The fields of every source. A reference to the family (`SOURCE`) accepts any kind of source."""

    name: Annotated[str, Length(1), Help("Shown on the sign-in page.")]
    slug: Annotated[str, SLUG, UNIQUE, Length(1), Help("Name of the source in addresses.")]
    enabled: Annotated[bool, Help("Nobody can sign in through a disabled source.")] = True
    promoted: Annotated[bool, Help("Listed before the other sources.")] = False
    authentication_flow: Annotated[str | None, _FLOW, Help("Flow for people who have an account.")] = None
    enrollment_flow: Annotated[str | None, _FLOW, Help("Flow for new people.")] = None
    user_property_mappings: Annotated[tuple[str, ...], _MAPPINGS] = ()
    group_property_mappings: Annotated[tuple[str, ...], _MAPPINGS] = ()
    policy_engine_mode: Annotated[Literal["all", "any"], Help("Whether all bindings must pass, or one is enough.")] = (
        "any"
    )
    user_matching_mode: Annotated[
        Literal["identifier", "email_link", "email_deny", "username_link", "username_deny"],
        Help("How a person of the source is matched with an existing user."),
    ] = "identifier"
    user_path_template: Annotated[str, Length(1), Help("Path of the users it creates; %(slug)s is the slug.")] = (
        "goauthentik.io/sources/%(slug)s"
    )
    icon: Annotated[str, Help("Path or address of the icon.")] = ""
    group_matching_mode: Annotated[
        Literal["identifier", "name_link", "name_deny"],
        Help("How a group of the source is matched with an existing one."),
    ] = "identifier"

    @property
    def user_path(self) -> str:
        """The path of the users that the source creates."""
        return self.user_path_template.replace(SLUG_PLACEHOLDER, self.slug)
