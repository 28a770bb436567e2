"""The fixtures of the tests with a real Prometheus."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / name) for name in ("e2e", "prometheus")]
