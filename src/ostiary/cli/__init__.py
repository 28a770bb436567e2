"""The command `ostiary`: reads arguments and settings, calls the application, prints. No logic.

Serves no paths. Must not know how anything works: a command is a few lines around one call.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ostiary.cli.processes import PROCESSES, start


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Errors are one line on standard error, unless --debug."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
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

        print(f"ostiary: {one_line(error)}", file=sys.stderr)  # noqa: T201 - the one place that prints errors
        return 1
