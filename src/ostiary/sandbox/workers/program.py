"""A program: what a worker is given to run."""

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
