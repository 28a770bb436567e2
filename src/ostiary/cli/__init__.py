"""The command `ostiary`: reads arguments and settings, calls the application, prints. No logic.

Serves no paths. Must not know how anything works: a command is a few lines around one call.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

PROCESSES = {"serve": (True, True), "server": (True, False), "worker": (False, True)}
"""Commands that run until they are stopped: whether they answer requests, and whether they do background work."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Errors are one line on standard error, unless --debug."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    words = [word for word in given if word != "--debug"]
    try:
        if len(words) == 1 and words[0] in PROCESSES:
            return start(words[0])  # without the command line library, which would cost a fifth of the start
        from ostiary.cli.commands import run  # noqa: PLC0415

        return run(words)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if debug:
            raise
        from ostiary.cli.failure import one_line  # noqa: PLC0415 - nothing failed so far

        print(f"ostiary: {one_line(error)}", file=sys.stderr)  # noqa: T201 - the one place that tells errors
        return 1


def start(command: str) -> int:
    """Run a process until it is told to stop."""
    gc.disable()  # a start makes much and drops little; the process collects when it has settled
    from ostiary.app.serve import run  # noqa: PLC0415 - a command loads what it needs
    from ostiary.settings import load  # noqa: PLC0415

    site, worker = PROCESSES[command]
    run(load(os.environ), site=site, worker=worker)
    return 0
