"""The samplers of OpenTelemetry: which traces are recorded."""

from __future__ import annotations

from typing import Final

from ostiary.proto.trace_context import TraceParent
from ostiary.settings import TracingSettings

_PARENT: Final = "parentbased_"
_LOW: Final = 16  # hexadecimal digits of a trace's identifier by which a share is taken


class Sampler:
    """Decides once for each trace, from its identifier: every program with the same share decides alike."""

    def __init__(self, settings: TracingSettings) -> None:
        name = settings.traces_sampler
        self._asks_parent = name.startswith(_PARENT)
        share = {"always_on": 1.0, "always_off": 0.0}.get(name.removeprefix(_PARENT), settings.traces_sampler_arg)
        self._bound = round(share * (1 << 4 * _LOW))

    def records(self, trace_id: str, parent: TraceParent | None) -> bool:
        """Return whether a trace is recorded. `parent` is where it began, if not here."""
        if parent is not None and self._asks_parent:
            return parent.sampled
        return int(trace_id[-_LOW:], 16) < self._bound
