"""The context of an expression: its variables, and the expression itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Final, Literal

from ostiary.record import dataclass
from ostiary.sandbox.language.names import Dialect

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.web.request import Request

SUBJECT: Final = "subject"
LOCATED: Final = frozenset({"geoip", "asn"})
"""Keys of `request.context` that tell where the client is."""

PolicyCall = Callable[[str, Mapping[str, object]], Awaitable[Mapping[str, object]]]
"""Evaluates another policy by name, with more context. Returns passing, messages, raw_result. Raises LookupError."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression: its text, the names it may use, and its name in logs, such as "expression policy staff"."""

    source: str
    dialect: Dialect
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpressionContext:
    """Everything that an expression may see.

    `now` is microseconds UTC. `facts` is `request.context`, in a flow the plan context, and `shared` is the rest of
    `request.context`. `request` is that of the browser or the application, and `brand` the brand of its host. `visitor`
    is the primary key of who is signed in there, None for nobody, SUBJECT for the subject: a flow may be about somebody
    else. `locate` looks the values of `LOCATED` up, when the expression may read them. `bound` are the fields of the
    object that the policy is bound to, or of the mapping. `names` are further variables by name. In a `trial` effects
    are not carried out, and no network request is made.
    """

    subject: Subject | None
    now: int
    facts: Mapping[str, object] = field(default_factory=dict)
    in_flow: bool = False
    shared: Mapping[str, object] = field(default_factory=dict)
    locate: Callable[[], Mapping[str, object]] | None = None
    is_sso: bool = False
    client_ip: str | None = None
    request: Request | None = None
    brand: Mapping[str, object] = field(default_factory=dict)
    bound: Mapping[str, object] | None = None
    visitor: int | Literal["subject"] | None = SUBJECT
    names: Mapping[str, object] = field(default_factory=dict)
    call_policy: PolicyCall | None = None
    trial: bool = False
