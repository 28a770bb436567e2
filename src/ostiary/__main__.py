"""`python -m ostiary` is the command `ostiary`."""

from __future__ import annotations

import sys

from ostiary.cli import main

sys.exit(main())
