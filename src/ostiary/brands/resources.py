"""The definitions of brands and pinned hosts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Annotated

from ostiary.proto.authority import canonical
from ostiary.resource import MULTILINE, UNIQUE, Help, Length, OnDelete, Problem, Reference, Resource, kind

_FLOW = Reference("authentik_flows.flow", OnDelete.SET_NULL)
_CERTIFICATE = Reference("authentik_crypto.certificatekeypair", OnDelete.SET_NULL)


def _validate_brand(brand: Brand) -> Iterable[Problem]:
    if brand.domain.startswith(".") or "/" in brand.domain:
        yield Problem("domain", "expected a host name, without a leading dot and without a path")


def _validate_host(host: Host) -> Iterable[Problem]:
    try:
        canonical_host = canonical(host.host, "https")
    except ValueError as error:
        yield Problem("host", str(error))
        return
    if canonical_host != host.host:
        yield Problem("host", f"expected {canonical_host}")


@kind(
    "ostiary_brands.host",
    verbose_name="Host",
    component="ostiary-host-form",
    routes="brands/hosts",
    check=_validate_host,
    label_field="host",
)
class Host(Resource):
    """A pinned host: one whose requests are answered. authentik has no such kind."""

    host: Annotated[
        str, UNIQUE, Length(least=1), Help("Host name in lower case, with its port unless that is the default port.")
    ]


@kind(
    "authentik_brands.brand",
    verbose_name="Brand",
    component="ak-brand-form",
    routes="core/brands",
    check=_validate_brand,
    label_field="domain",
)
class Brand(Resource):
    """A brand: appearance and flows of a domain and its subdomains."""

    domain: Annotated[str, UNIQUE, Length(least=1), Help("Domain; matches itself and its subdomains.")]
    default: Annotated[bool, Help("Used if no other brand matches.")] = False
    branding_title: str = "Ostiary"
    branding_logo: str = ""
    branding_favicon: str = ""
    branding_custom_css: Annotated[str, MULTILINE] = ""
    branding_default_flow_background: str = ""
    flow_authentication: Annotated[str | None, _FLOW] = None
    flow_invalidation: Annotated[str | None, _FLOW] = None
    flow_recovery: Annotated[str | None, _FLOW] = None
    flow_unenrollment: Annotated[str | None, _FLOW] = None
    flow_user_settings: Annotated[str | None, _FLOW] = None
    flow_device_code: Annotated[str | None, _FLOW] = None
    default_application: Annotated[str | None, Reference("authentik_core.application", OnDelete.SET_NULL)] = None
    web_certificate: Annotated[str | None, _CERTIFICATE] = None
    client_certificates: Annotated[tuple[str, ...], _CERTIFICATE] = ()
    attributes: Mapping[str, object] = dataclasses.field(default_factory=dict)

    @property
    def shown(self) -> dict[str, object]:
        """What expressions see of it."""
        return {
            "pk": str(self.pk),
            "domain": self.domain,
            "default": self.default,
            "branding_title": self.branding_title,
            "attributes": self.attributes,
        }
