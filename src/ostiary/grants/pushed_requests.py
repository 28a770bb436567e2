"""Pushed authorization requests (RFC 9126). A browser presents the request URI; each is used once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from ostiary.grants.errors import RequestUsed
from ostiary.record import dataclass
from ostiary.store.database import Batch, Database, Statement
from ostiary.store.single_use import Fresh, Purpose, consume, issue, peek, prolong

FLOW_LIFETIME: Final = 4 * 3_600_000_000  # microseconds: the lifetime of a flow's plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """A pushed authorization request."""

    provider: int
    pairs: tuple[tuple[str, str], ...]
    begins_before: int  # microseconds UTC: the interaction must begin before, and may end later
    signed: bool  # whether it was a request object (RFC 9101)
    dpop_jkt: str | None  # thumbprint of its DPoP key (RFC 9449 10.1)

    def body(self) -> dict[str, object]:
        """Return the request as plain JSON for storage."""
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


def insert_pushed(handle_hash: bytes, pushed: Pushed) -> Statement:
    """Return the statement that stores a request."""
    return issue(PUSHED, handle_hash, pushed.body(), expires=pushed.begins_before)


async def find_pushed(database: Database, handle_hash: bytes, *, now: int) -> Pushed | None:
    """Return a request, or None if it is unknown, used or expired. One round trip."""
    return await database.read(lambda: peek(PUSHED, handle_hash, now=now))


def prolong_for_flow(handle_hash: bytes, *, now: int) -> Statement:
    """Return the statement that extends a request for the duration of a flow. `now` is in microseconds UTC."""
    return prolong(PUSHED, handle_hash, expires=now + FLOW_LIFETIME)


def use_pushed(handle_hash: bytes, *, now: int) -> Batch[None]:
    """Consume a request, in the batch of its response. Raises RequestUsed."""
    consumed = yield from consume(PUSHED, handle_hash, now=now, tombstone=False)
    if not isinstance(consumed, Fresh):
        raise RequestUsed
