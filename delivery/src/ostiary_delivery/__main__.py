"""`python -m ostiary_delivery`."""

from __future__ import annotations

import sys

from ostiary_delivery.cli import main

if __name__ == "__main__":
    sys.exit(main())
