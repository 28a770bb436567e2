"""Asks whether Debian's archive answers, as the builder of images would ask it: 0 when it does, 1 with the reason."""

from __future__ import annotations

import os
import sys
import urllib.request
from pathlib import Path
from typing import Final

from ostiary_delivery import definition, settings
from ostiary_delivery.errors import Refusal

ROOT: Final = Path(__file__).resolve().parent.parent
PATIENCE: Final = 20  # seconds for each of the few indexes


def main() -> int:
    """Ask for the signed index of each suite that our containers are made of."""
    here = settings.load(os.environ)
    suites = {suite for name in definition.names(ROOT) for suite in definition.read(ROOT, name).debian.suites}
    for suite in sorted(suites):
        try:
            place = f"{here.place(suite)}/dists/{suite}/InRelease"
            with urllib.request.urlopen(place, timeout=PATIENCE) as answer:  # noqa: S310 - a setting of this machine
                answer.read(64)
        except (OSError, Refusal) as error:
            print(f"{suite}: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
