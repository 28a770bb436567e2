"""Hypothesis without a clock: how long an example takes says how loaded the machine is, not whether the code is right."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("ostiary", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ostiary")
