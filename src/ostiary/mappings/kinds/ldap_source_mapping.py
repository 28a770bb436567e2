"""The LDAP source mapping: fields of a user or a group, from an entry of a directory."""

from __future__ import annotations

from typing import ClassVar

from ostiary.mappings.resources import PROPERTY_MAPPING, PropertyMapping, advise_unasked, validate_mapping
from ostiary.resource import kind


@kind(
    "authentik_sources_ldap.ldapsourcepropertymapping",
    verbose_name="LDAP Source Property Mapping",
    component="ak-property-mapping-source-ldap-form",
    routes="propertymappings/source/ldap",
    families=(PROPERTY_MAPPING,),
    check=validate_mapping,
    advise=advise_unasked,
)
class LDAPSourcePropertyMapping(PropertyMapping):
    """Fields of a user or a group from an entry of a directory. Its expression returns a dictionary."""

    DIALECT: ClassVar[str] = "ldap-source"
