"""What a decision may look at, beside the subject and the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from ostiary.record import dataclass


@dataclass(frozen=True, slots=True)
class PolicyContext:
    """The facts of the moment, as plain JSON data.

    `facts` is what an expression sees as `request.context`: in flows every plan context key, in application checks the
    `oauth_*` keys. `client_ip` is the address after trusted proxies. `now` is microseconds UTC.
    """

    now: int
    client_ip: str | None = None
    is_sso: bool = False
    facts: Mapping[str, object] = field(default_factory=dict)
