"""Where the authorization endpoint is found."""

from __future__ import annotations

from typing import Final

PATH: Final = "/application/o/authorize/"
