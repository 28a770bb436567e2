"""What a decision may look at, beside the subject and the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ostiary.policies.services import NO_SERVICES
from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.policies.services import PolicyServices
    from ostiary.web.request import Request


@dataclass(frozen=True, slots=True)
class PolicyContext:
    """The facts of the moment, as plain JSON data.

    `facts` is what an expression sees as `request.context`: in flows (`in_flow`) every plan context key, in application
    checks the `oauth_*` keys; `beside` is what only the policies of one decision leave for each other. `client_ip` is
    the address after trusted proxies, `request` that of the browser or the application. `now` is microseconds UTC.
    `services` are what policies may ask beside. `trial` tells that nothing of what they want
    will be done: nothing is asked outside of this process either.
    """

    now: int
    client_ip: str | None = None
    is_sso: bool = False
    facts: Mapping[str, object] = field(default_factory=dict)
    in_flow: bool = False
    beside: Mapping[str, object] = field(default_factory=dict)
    request: Request | None = None
    services: PolicyServices = NO_SERVICES
    trial: bool = False
