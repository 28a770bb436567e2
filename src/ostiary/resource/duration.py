"""authentik's duration texts, for the rooms that speak of resources; the reading itself is in `proto.duration`."""

from __future__ import annotations

from ostiary.proto.duration import parse_duration

__all__ = ["parse_duration"]
