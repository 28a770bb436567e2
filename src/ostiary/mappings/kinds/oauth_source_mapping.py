"""The OAuth source mapping: fields of a user or a group, from what a source tells."""

from __future__ import annotations

from typing import ClassVar

from ostiary.mappings.resources import PROPERTY_MAPPING, PropertyMapping, advise_unasked, validate_mapping
from ostiary.resource import kind


@kind(
    "authentik_sources_oauth.oauthsourcepropertymapping",
    verbose_name="OAuth Source Property Mapping",
    component="ak-property-mapping-source-oauth-form",
    routes="propertymappings/source/oauth",
    families=(PROPERTY_MAPPING,),
    check=validate_mapping,
    advise=advise_unasked,
)
class OAuthSourcePropertyMapping(PropertyMapping):
    """Fields of a user or a group from what a source tells. Its expression returns a dictionary."""

    DIALECT: ClassVar[str] = "oauth-source"
