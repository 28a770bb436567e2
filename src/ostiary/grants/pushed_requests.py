"""Pushed authorization requests (RFC 9126): stored until a browser brings their request URI, and used once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from ostiary.grants.errors import RequestUsed
from ostiary.record import dataclass
from ostiary.store.database import Batch, Database, Statement
from ostiary.store.single_use import Fresh, Purpose, consume, issue, peek, prolong

FLOW_LIFETIME: Final = 4 * 3_600_000_000  # microseconds: as long as the plan of a flow lives


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """A pushed authorization request."""

    provider: int
    pairs: tuple[tuple[str, str], ...]
    begins_before: int  # microseconds UTC; an interaction that began by then may end later
    signed: bool  # it was a request object (RFC 9101)
    dpop_jkt: str | None  # thumbprint of its DPoP key (RFC 9449 10.1)

    def body(self) -> dict[str, object]:
        """Return plain JSON for storage."""
        return {
            "provider": self.provider,
            "pairs": [list(pair) for pair in self.pairs],
            "begins_before": self.begins_before,
            "signed": self.signed,
            "dpop_jkt": self.dpop_jkt,
        }


def _load(body: Mapping[str, object]) -> Pushed:
    data = cast("Mapping[str, Any]", body)
    return Pushed(
        provider=data["provider"],
        pairs=tuple((name, value) for name, value in data["pairs"]),
        begins_before=data["begins_before"],
        signed=data["signed"],
        dpop_jkt=data["dpop_jkt"],
    )


PUSHED: Final[Purpose[Pushed]] = Purpose("oauth2.pushed", _load)


def keep_pushed(handle_hash: bytes, pushed: Pushed) -> Statement:
    """Return the statement that stores a request."""
    return issue(PUSHED, handle_hash, pushed.body(), expires=pushed.begins_before)


async def find_pushed(database: Database, handle_hash: bytes, *, now: int) -> Pushed | None:
    """Return a request that is neither used nor expired. One round trip."""
    return await database.read(lambda: peek(PUSHED, handle_hash, now=now))


def prolong_for_flow(handle_hash: bytes, *, now: int) -> Statement:
    """Return the statement that extends a request while its user passes through flows. Time in microseconds UTC."""
    return prolong(PUSHED, handle_hash, expires=now + FLOW_LIFETIME)


def use_pushed(handle_hash: bytes, *, now: int) -> Batch[None]:
    """Consume a request, in the batch of its response. Raises RequestUsed when another request was first."""
    consumed = yield from consume(PUSHED, handle_hash, now=now, tombstone=False)
    if not isinstance(consumed, Fresh):
        raise RequestUsed
