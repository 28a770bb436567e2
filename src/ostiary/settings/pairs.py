"""Pairs of names and values in one setting, as OpenTelemetry writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

_NAME: Final = re.compile(r"[A-Za-z0-9._/-]{1,128}")


def pairs(raw: str) -> Mapping[str, str]:
    """Parse name=value pairs, separated by commas, with percent encoding (as W3C Baggage, without properties)."""
    found: dict[str, str] = {}
    for item in filter(None, (one.strip() for one in raw.split(","))):
        name, equals, value = (unquote(part.strip()) for part in item.partition("="))
        if not equals or not _NAME.fullmatch(name) or not value.isprintable():
            raise ValueError("expected name=value, separated by commas")
        found[name] = value
    return found
