"""A property mapping of another package: one thing about a person that is printed on tickets."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, ClassVar

from ostiary.applications.provider import Provider
from ostiary.directory.user import Subject
from ostiary.expressions import Vocabulary, meaning_of, returned
from ostiary.mappings.resources import PROPERTY_MAPPING, PropertyMapping
from ostiary.resource import Length, Problem, kind
from ostiary.store.configuration.snapshot import Snapshot

Print = Callable[[Subject], str]


def read_print(statements: Sequence[ast.stmt]) -> Print | None:
    """Return the function for `return request.user.username`, the one expression that is understood here."""
    value = returned(statements)
    return None if value is None or ast.unparse(value) != "request.user.username" else lambda one: one.user.username


def advise(mapping: PropertyMapping) -> Iterable[Problem]:
    """Tell that no other expression is understood here: none is run."""
    if meaning_of(mapping.expression, mapping.VOCABULARY) is None:
        yield Problem("expression", "is stored, but cannot be evaluated by this version")


@kind(
    "garden.ticketmapping",
    verbose_name="Ticket Mapping",
    component="ak-property-mapping-provider-ticket-form",
    routes="propertymappings/provider/ticket",
    families=(PROPERTY_MAPPING,),
    advise=advise,
)
class TicketMapping(PropertyMapping):
    """One parameter beside the ticket."""

    VOCABULARY: ClassVar[Vocabulary[Print]] = Vocabulary(read_print)

    parameter: Annotated[str, Length(least=1)]


def print_on_ticket(provider: Provider, snapshot: Snapshot, subject: Subject) -> dict[str, str]:
    """Return the parameters of a provider's mappings; none for an expression that cannot be evaluated."""
    mappings = (snapshot.get(TicketMapping, pk) for pk in provider.property_mappings)
    meanings = {one.parameter: meaning_of(one.expression, one.VOCABULARY) for one in mappings if one is not None}
    return {name: meaning.value(subject) for name, meaning in meanings.items() if meaning is not None}
