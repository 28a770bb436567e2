"""The scene of a run: who asks, when, from where, and about what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ostiary.record import dataclass
from ostiary.sandbox.language.names import Dialect

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.web.request import Request

PolicyCall = Callable[[str, Mapping[str, object]], Awaitable[Mapping[str, object]]]
"""Runs another policy by its name, with more context; answers passing, messages and raw_result. Raises LookupError."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression: its text, the names it may use, and what logs call it, such as "expression policy staff"."""

    source: str
    dialect: Dialect
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpressionContext:
    """What an expression may see.

    `now` is microseconds UTC. `facts` is `request.context`, in a flow the plan's context, `shared` what else is in
    `request.context`. `request` is that of the
    browser or the application, `brand` the one of its host. `bound` is what the policy is bound to or the mapping
    belongs to, as its fields. `names` are further variables, by their name. `trial` tells that nothing is to be done or
    asked beyond this process: it is a question of "what if".
    """

    subject: Subject | None
    now: int
    facts: Mapping[str, object] = field(default_factory=dict)
    in_flow: bool = False
    shared: Mapping[str, object] = field(default_factory=dict)
    is_sso: bool = False
    client_ip: str | None = None
    request: Request | None = None
    brand: Mapping[str, object] = field(default_factory=dict)
    bound: Mapping[str, object] | None = None
    names: Mapping[str, object] = field(default_factory=dict)
    call_policy: PolicyCall | None = None
    trial: bool = False
