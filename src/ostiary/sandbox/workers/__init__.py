"""The workers: processes that run programs, with limits, host functions and outcomes."""

from ostiary.sandbox.workers.host import Finish, HostError, HostFunction, HostObject
from ostiary.sandbox.workers.outcome import Aborted, AbortReason, Outcome, Returned
from ostiary.sandbox.workers.program import Limits, Program
from ostiary.sandbox.workers.workers import Workers

__all__ = [
    "AbortReason",
    "Aborted",
    "Finish",
    "HostError",
    "HostFunction",
    "HostObject",
    "Limits",
    "Outcome",
    "Program",
    "Returned",
    "Workers",
]
