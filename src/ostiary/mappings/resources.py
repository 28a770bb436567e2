"""The definition of a scope mapping."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from ostiary.expressions import can_evaluate
from ostiary.mappings.literal import VOCABULARY
from ostiary.resource import MULTILINE, UNIQUE, Help, Length, Pattern, Problem, Resource, kind


def _advise(mapping: ScopeMapping) -> Iterable[Problem]:
    if not can_evaluate(mapping.expression, VOCABULARY):
        yield Problem("expression", "is stored, but cannot be evaluated by this version: it gives no claims")


@kind(
    "authentik_providers_oauth2.scopemapping",
    verbose_name="Scope Mapping",
    component="ak-property-mapping-provider-scope-form",
    routes="propertymappings/provider/scope",
    families=("authentik_core.propertymapping",),
    advise=_advise,
)
class ScopeMapping(Resource):
    """Claims that a scope of OAuth2 stands for."""

    name: Annotated[str, UNIQUE, Length(1)]
    expression: Annotated[str, Length(1), MULTILINE, Help("Python expression that returns a dictionary of claims.")]
    scope_name: Annotated[
        str,
        Length(1),
        Pattern(r"[\x21\x23-\x5b\x5d-\x7e]+", "a scope name of RFC 6749, without spaces or quotes"),
        Help("The scope a client asks for."),
    ]
    description: Annotated[str, Help("Shown on the consent page; without it the scope is granted unmentioned.")] = ""
    managed: Annotated[str | None, UNIQUE, Help("Key by which shipped objects are recognised.")] = None
