"""Checks whether Debian's archive is reachable, with the requests of the image builder.

Exit codes: 0 if it is reachable; 3, with the reason, if no archive is configured or it is unreachable. A bug in this
script has another exit code, so that it is not mistaken for an unreachable archive.
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
TIMEOUT: Final = 20  # seconds per index
UNREACHABLE: Final = 3


def main() -> int:
    """Request the signed index of each suite of our images. Returns the exit code."""
    configured = settings.load(os.environ)
    suites = {suite for name in definition.names(ROOT) for suite in definition.read(ROOT, name).debian.suites}
    for suite in sorted(suites):
        if (reason := failure(configured, suite)) is not None:
            print(f"{suite}: {reason}")
            return UNREACHABLE
    return 0


def failure(configured: settings.Settings, suite: str) -> str | None:
    """Return the reason why a suite's index cannot be read, or None."""
    try:
        url = f"{configured.archive_url(suite)}/dists/{suite}/InRelease"
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:  # noqa: S310 - a setting of this machine
            response.read(64)
    except (OSError, BadDefinition) as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main())
