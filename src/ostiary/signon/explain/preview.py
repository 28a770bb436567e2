"""What protocols add to an explanation: what policies see of a request, and what the application would be told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ostiary.applications.provider import SignOnProvider
from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.signon.explain.situation import Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an application would receive, by the name of what carries it, and the mappings that give nothing."""

    claims: Mapping[str, Mapping[str, object]]
    failed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolPreview:
    """One protocol's part, for providers of the class `provider`.

    `facts` are those that its requests hand to policies, as far as they are the same for each; `told` is None for an
    application that is not served.
    """

    provider: type[SignOnProvider]
    facts: Callable[[Situation], Mapping[str, object]]
    told: Callable[[Situation], Awaitable[Told | None]]


@dataclass(slots=True)
class ProtocolPreviews:
    """What rooms of protocols hang here."""

    previews: list[ProtocolPreview] = field(default_factory=list)

    def of(self, provider: object) -> ProtocolPreview | None:
        """Return the part of the protocol of a provider."""
        return next((one for one in self.previews if isinstance(provider, one.provider)), None)
