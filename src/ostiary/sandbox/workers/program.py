"""A program for a worker, and the limits of its run."""

from __future__ import annotations

from ostiary.record import dataclass


@dataclass(frozen=True, slots=True)
class Program:
    """The text of a program in the sandbox's dialect of Python.

    It is run as a module: its last line is an expression, whose value is the result. `name` is what logs call it, for
    example "expression policy 'staff only'".
    """

    source: str
    name: str = "expression"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one run. Runs that it starts through a host function share all of them but `memory`.

    `seconds` of computing, without the time in host functions; `deadline`, seconds of the whole run with them, without
    the wait for a worker; `memory` in bytes of the worker's heap; `recursion`, nested calls; `output`, characters
    printed; `calls` of host functions, methods and lazy attributes; `result`, items and characters of the value that
    is returned, or of the arguments of one call.
    """

    seconds: float = 1.0
    deadline: float = 10.0
    memory: int = 64 * 1024 * 1024
    recursion: int = 200
    output: int = 10_000
    calls: int = 500
    result: int = 200_000
