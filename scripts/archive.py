"""Asks whether Debian's archive answers, as the builder of images would ask it.

Ends with 0 when it answers, and with 3 and the reason when no archive is configured or the archive does not answer. A
fault of this script ends with another code, so that nobody takes it for a silent archive.
"""

from __future__ import annotations

import os
import sys
import urllib.request
from pathlib import Path
from typing import Final

from ostiary_delivery import definition, settings
from ostiary_delivery.errors import BadDefinition

ROOT: Final = Path(__file__).resolve().parent.parent
TIMEOUT: Final = 20  # seconds for each of the few indexes
NO_ANSWER: Final = 3


def main() -> int:
    """Request the signed index of each suite that our images are made of; return the exit code."""
    here = settings.load(os.environ)
    suites = {suite for name in definition.names(ROOT) for suite in definition.read(ROOT, name).debian.suites}
    for suite in sorted(suites):
        if (reason := no_answer(here, suite)) is not None:
            print(f"{suite}: {reason}")
            return NO_ANSWER
    return 0


def no_answer(here: settings.Settings, suite: str) -> str | None:
    """Return why a suite's index cannot be read, None when it can."""
    try:
        url = f"{here.archive_url(suite)}/dists/{suite}/InRelease"
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:  # noqa: S310 - a setting of this machine
            response.read(64)
    except (OSError, BadDefinition) as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main())
