"""The registration of this room with the application."""

from __future__ import annotations

from typing import Final

from ostiary.mappings.kinds.ldap_source_mapping import LDAPSourcePropertyMapping
from ostiary.mappings.kinds.oauth_source_mapping import OAuthSourcePropertyMapping
from ostiary.mappings.kinds.saml_mapping import SAMLPropertyMapping
from ostiary.mappings.kinds.scim_mapping import SCIMMapping
from ostiary.mappings.scope_mapping import ScopeMapping
from ostiary.room import Room

ROOM: Final = Room(
    name="mappings",
    kinds=(ScopeMapping, SAMLPropertyMapping, SCIMMapping, LDAPSourcePropertyMapping, OAuthSourcePropertyMapping),
)
