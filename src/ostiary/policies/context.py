"""The context of a decision: everything that policies see besides the subject and the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Literal

from ostiary.policies.services import NO_SERVICES
from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.policies.services import PolicyServices
    from ostiary.web.request import Request


@dataclass(frozen=True, slots=True)
class PolicyContext:
    """The context of a decision.

    `facts` is `request.context` in expressions, as JSON data: in flows (`in_flow`) the keys of the plan context, in
    application checks the `oauth_*` keys. `shared` are values that the policies of one decision pass to each other.
    `client_ip` is the address after trusted proxies, `request` that of the browser or the application, and `visitor`
    who is signed in there (`ExpressionContext`). `now` is microseconds UTC. `services` are those of other rooms. In a
    `trial` effects are not carried out, and no network request is made.
    """

    now: int
    client_ip: str | None = None
    is_sso: bool = False
    facts: Mapping[str, object] = field(default_factory=dict)
    in_flow: bool = False
    shared: Mapping[str, object] = field(default_factory=dict)
    request: Request | None = None
    services: PolicyServices = NO_SERVICES
    visitor: int | Literal["subject"] | None = "subject"
    trial: bool = False
