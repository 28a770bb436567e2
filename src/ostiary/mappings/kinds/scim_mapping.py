"""The SCIM mapping: fields of a user or a group at a SCIM server."""

from __future__ import annotations

from typing import ClassVar

from ostiary.mappings.resources import PROPERTY_MAPPING, PropertyMapping, advise_unasked, validate_mapping
from ostiary.resource import kind


@kind(
    "authentik_providers_scim.scimmapping",
    verbose_name="SCIM Provider Mapping",
    component="ak-property-mapping-provider-scim-form",
    routes="propertymappings/provider/scim",
    families=(PROPERTY_MAPPING,),
    check=validate_mapping,
    advise=advise_unasked,
)
class SCIMMapping(PropertyMapping):
    """Fields of a user or a group at a SCIM server. Its expression returns a dictionary."""

    DIALECT: ClassVar[str] = "scim"
