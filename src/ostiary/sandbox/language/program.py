"""An expression made ready for the sandbox: checked, rewritten, with what it needs of the prelude."""

from __future__ import annotations

import ast
import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ostiary.record import dataclass
from ostiary.sandbox.language.analysis import (
    EVERYTHING,
    Mentions,
    free_names,
    mentions_of,
    own_names,
    wrapped_in_function,
)
from ostiary.sandbox.language.checks import check_body
from ostiary.sandbox.language.fault import LanguageFault, UnreadableExpression
from ostiary.sandbox.language.fields import read_fields
from ostiary.sandbox.language.library import Prelude, definitions, prelude_for
from ostiary.sandbox.language.modules import SHIMS
from ostiary.sandbox.language.name_sets import name_set
from ostiary.sandbox.language.names import Dialect
from ostiary.sandbox.language.networks import network_values
from ostiary.sandbox.language.rewriting import rewrite
from ostiary.sandbox.language.source_map import SourceMap, source_map_of
from ostiary.sandbox.language.text import read_body

_FUNCTION: Final = "ostiary_expression"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedProgram:
    """A program, and what is known of it before it runs.

    `values` and `functions` are what it uses of the host's. `attributes` are those that it may look up, `texts` its
    constants. `keys` are the constants it looks up in the context. `changes` tells that it may change the context it is
    given. `networks` are the addresses and networks that it names. `fields` are those of the person that it reads where
    it makes no object of the person, else none.
    """

    source: str
    values: frozenset[str]
    functions: frozenset[str]
    fields: frozenset[str]
    attributes: frozenset[str]
    texts: frozenset[str]
    keys: tuple[str, ...]
    changes: bool
    networks: Mapping[str, Mapping[str, object]]
    places: SourceMap

    def mentions(self, name: str) -> bool:
        """Tell whether the program may look up that attribute or key."""
        return name in self.attributes or name in self.texts or EVERYTHING in self.attributes


class RefusedExpression(ValueError):
    """The expression cannot run here."""

    def __init__(self, faults: Sequence[LanguageFault]) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


def check(source: str, dialect: Dialect) -> tuple[LanguageFault, ...]:
    """Return what is wrong with an expression, in the order of its text; nothing for one that runs."""
    try:
        return tuple(check_body(read_body(source), dialect))
    except UnreadableExpression as error:
        return (error.fault,)


@functools.lru_cache(maxsize=512)
def prepare(source: str, dialect: Dialect) -> PreparedProgram:
    """Make an expression ready. Raises RefusedExpression."""
    try:
        body = read_body(source)
    except UnreadableExpression as error:
        raise RefusedExpression([error.fault]) from None
    faults = [fault for fault in check_body(body, dialect) if fault.fatal]
    if faults:
        raise RefusedExpression(faults)
    mentions = mentions_of(body)
    unknown = free_names(body) - dialect.known
    reading = read_fields(body, mentions, dialect)
    if reading.values:
        body = reading.body
        mentions = dataclasses.replace(mentions_of(body), keys=mentions.keys)
    parameters = sorted(own_names(body) & (dialect.known | _imported(body)) & definitions())
    body = rewrite(body, mentions)
    leaving = "ostiary_verdict" if dialect.result == "verdict" else "ostiary_plain"
    effects = _effects(mentions)
    roots = ((free_names(body) - unknown) | set(parameters) | _names(effects)) & definitions()
    prelude = prelude_for(roots, attributes=mentions.attributes, texts=mentions.texts, rare=[leaving])
    prepared = _assembled(body, parameters, _tail(leaving, prelude.rare, effects), prelude, mentions)
    fields = frozenset[str]() if "given_user" in prelude.values else reading.fields
    return dataclasses.replace(prepared, values=prepared.values | reading.values, fields=fields)


def _imported(body: Sequence[ast.stmt]) -> set[str]:
    """Return the definitions that stand for what is imported."""
    nodes = [node for statement in body for node in ast.walk(statement)]
    found = [SHIMS.get(node.module or "", {}) for node in nodes if isinstance(node, ast.ImportFrom)]
    found += [
        SHIMS[one.name] for node in nodes if isinstance(node, ast.Import) for one in node.names if one.name in SHIMS
    ]
    return {name for module in found for name in module.values()}


def _assembled(
    body: list[ast.stmt], parameters: Sequence[str], tail: str, prelude: Prelude, mentions: Mentions
) -> PreparedProgram:
    module = wrapped_in_function(body)
    head = ", ".join(f"{name}={name}" for name in parameters)
    text = f"def {_FUNCTION}({head}):\n" + ast.unparse(module).partition("\n")[2] + "\n"
    return PreparedProgram(
        source=f"{_HEAD}{prelude.text}{text}{tail}",
        values=prelude.values,
        functions=prelude.functions | (free_names(body) & {"host_skip_object"}),
        fields=frozenset(),
        attributes=prelude.attributes,
        texts=mentions.texts,
        keys=mentions.keys,
        changes=mentions.changes,
        networks=dict(_networks(mentions)),
        places=source_map_of(module, above=(_HEAD + prelude.text).count("\n")),
    )


def _effects(mentions: Mentions) -> str:
    """Return what gives the effects, and the contexts where they may have changed."""
    effects = "ostiary_effects" if mentions.names & EFFECTS else "[]"
    context = "[]"
    if mentions.changes and (mentions.reaches("context") or mentions.names & CONTEXTS):
        context = "ostiary_contexts(context, flow_plan)"
    return f"{effects}, {context}"


def _tail(leaving: str, rare: str, effects: str) -> str:
    """Return the last lines: the value, as JSON text or in a list, the effects and the contexts.

    JSON is what most values are, and what the sandbox makes of them in no time; for the others, objects and query sets
    for example, there are definitions, which only those programs read that need them.
    """
    return f"""\
ostiary_value = {_FUNCTION}()
try:
    ostiary_value = ostiary_json.dumps(ostiary_value, ensure_ascii=False)
except (TypeError, ValueError):
    exec({rare!r})
    ostiary_value = [{leaving}(ostiary_value)]
[ostiary_value, {effects}]
"""


_HEAD: Final = "import json as ostiary_json\n"
EFFECTS: Final = name_set("ak_message ak_create_event ak_send_email ak_logger")
CONTEXTS: Final = name_set("context prompt_context")


def _names(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def _networks(mentions: Mentions) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield the addresses and networks among the constants, so that nobody has to be asked about them."""
    for name, kind in (("ip_address", "address"), ("ip_network", "network")):
        if name in mentions.names or name in mentions.attributes:
            for text in mentions.texts:
                try:
                    yield f"{kind} {text}", network_values(kind, text)
                except ValueError:
                    continue
