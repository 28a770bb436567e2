"""The definition of an application."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Literal

from ostiary.applications.provider import PROVIDER
from ostiary.resource import (
    SLUG,
    UNIQUE,
    Help,
    Length,
    OnDelete,
    Problem,
    Reference,
    Resource,
    kind,
)

RESERVED_SLUGS: Final = frozenset({"authorize", "token", "device", "userinfo", "introspect", "revoke"})
"""Names of OAuth2 endpoints. The endpoint's path would shadow an application with such a slug."""


def validate_application(item: Application) -> Iterable[Problem]:
    """Yield a problem for a reserved slug."""
    if item.slug in RESERVED_SLUGS:
        yield Problem("slug", f"{item.slug!r} is reserved for an OAuth2 endpoint, expected another slug")


@kind(
    "authentik_core.application",
    verbose_name="Application",
    component="ak-application-form",
    routes="core/applications",
    families=("authentik_policies.policybindingmodel",),
    lookup_field="slug",
    check=validate_application,
)
class Application(Resource):
    """An application. People open it, and policies guard it."""

    name: Annotated[str, Length(1), Help("Shown in the library and on the consent page.")]
    slug: Annotated[str, SLUG, UNIQUE, Length(1), Help("Name of the application in addresses.")]
    provider: Annotated[
        int | None,
        Reference(PROVIDER, OnDelete.SET_NULL),
        Help("Provider of the application's sign-on."),
    ] = None
    backchannel_providers: Annotated[
        tuple[int, ...],
        Reference(PROVIDER, OnDelete.SET_NULL),
        Help("Additional providers, such as LDAP or SCIM."),
    ] = ()
    open_in_new_tab: Annotated[bool, Help("Open the application in a new tab of the browser.")] = False
    meta_launch_url: Annotated[
        str, Length(0, 2000), Help("Address of the library's link, with placeholders such as %(username)s.")
    ] = ""
    meta_icon: Annotated[str, Help("Path or address of the icon.")] = ""
    meta_description: Annotated[str, Help("A sentence for the library.")] = ""
    meta_publisher: Annotated[str, Help("Publisher of the application.")] = ""
    policy_engine_mode: Annotated[Literal["all", "any"], Help("Whether all bindings must pass, or one is enough.")] = (
        "any"
    )
    group: Annotated[str, Help("Heading of the application in the library.")] = ""

    @property
    def shown(self) -> dict[str, object]:
        """What expressions see of it."""
        return {
            "_kind": "application",
            "pk": str(self.pk),
            "pbm_uuid": str(self.pk),
            "name": self.name,
            "slug": self.slug,
            "group": self.group,
            "meta_launch_url": self.meta_launch_url,
            "meta_description": self.meta_description,
            "meta_publisher": self.meta_publisher,
            "policy_engine_mode": self.policy_engine_mode,
        }
