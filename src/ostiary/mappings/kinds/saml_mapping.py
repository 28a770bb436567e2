"""The SAML mapping: an attribute that a service provider is told."""

from __future__ import annotations

from typing import Annotated, ClassVar

from ostiary.mappings.resources import PROPERTY_MAPPING, PropertyMapping, advise_unasked, validate_mapping
from ostiary.resource import Help, Length, kind


@kind(
    "authentik_providers_saml.samlpropertymapping",
    verbose_name="SAML Provider Property Mapping",
    component="ak-property-mapping-provider-saml-form",
    routes="propertymappings/provider/saml",
    families=(PROPERTY_MAPPING,),
    check=validate_mapping,
    advise=advise_unasked,
)
class SAMLPropertyMapping(PropertyMapping):
    """An attribute of a SAML assertion. Its expression returns the value, or a list of values."""

    DIALECT: ClassVar[str] = "saml"

    saml_name: Annotated[str, Length(1), Help("The name of the attribute.")]
    friendly_name: Annotated[str | None, Help("The name for people, in the assertion.")] = None
