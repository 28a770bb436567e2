"""The installation of these tests."""

from __future__ import annotations

from oauth2_rig import both, rig

__all__ = ["both", "rig"]
