"""The scope mapping: the claims of an OAuth2 scope."""

from __future__ import annotations

from typing import Annotated, ClassVar

from ostiary.expressions import Vocabulary
from ostiary.mappings.literal import VOCABULARY
from ostiary.mappings.resources import PROPERTY_MAPPING, PropertyMapping, advise_mapping, validate_mapping
from ostiary.mappings.stock import NativeMapping
from ostiary.resource import Help, Length, Pattern, kind


@kind(
    "authentik_providers_oauth2.scopemapping",
    verbose_name="Scope Mapping",
    component="ak-property-mapping-provider-scope-form",
    routes="propertymappings/provider/scope",
    families=(PROPERTY_MAPPING,),
    check=validate_mapping,
    advise=advise_mapping,
)
class ScopeMapping(PropertyMapping):
    """The claims of one scope. Its expression returns a dictionary."""

    VOCABULARY: ClassVar[Vocabulary[NativeMapping]] = VOCABULARY

    scope_name: Annotated[
        str,
        Length(1),
        Pattern(r"[\x21\x23-\x5b\x5d-\x7e]+", "a scope name of RFC 6749, without spaces or quotes"),
        Help("The scope a client asks for."),
    ]
    description: Annotated[str, Help("Shown on the consent page; without it the scope is granted unmentioned.")] = ""
