"""The part of a protocol in an explanation: the facts that policies see, and the claims that it would release."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ostiary.applications.provider import SignOnProvider
from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.signon.explain.situation import Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedClaims:
    """The claims that an application would receive, by token or endpoint, and the reason of each failed mapping."""

    claims: Mapping[str, Mapping[str, object]]
    failed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolPreview:
    """The preview of one protocol, for providers of the class `provider`.

    `facts` returns the facts that are the same in all its requests. `released` returns None for an application that
    the protocol does not serve.
    """

    provider: type[SignOnProvider]
    facts: Callable[[Situation], Mapping[str, object]]
    released: Callable[[Situation], Awaitable[ReleasedClaims | None]]


@dataclass(slots=True)
class ProtocolPreviews:
    """The previews that protocols register."""

    previews: list[ProtocolPreview] = field(default_factory=list)

    def of(self, provider: object) -> ProtocolPreview | None:
        """Return the preview of a provider's protocol."""
        return next((one for one in self.previews if isinstance(provider, one.provider)), None)
