"""An otpauth URL for people: as a QR code, and its secret in groups of four."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, urlsplit

_BORDER: Final = 2


def secret_of(config_url: str) -> str:
    """Return the secret of an otpauth URL, "" when there is none."""
    return dict(parse_qsl(urlsplit(config_url).query)).get("secret", "")


def grouped(secret: str) -> str:
    """Return the secret in groups of four."""
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))


def qr_svg(text: str, label: str) -> str:
    """Return an SVG element of the text, safe to place in a page: attributes only, no style, no script."""
    import segno  # noqa: PLC0415 - only an enrolment needs it
    from markupsafe import Markup  # noqa: PLC0415 - comes with Jinja2

    code = segno.make(text, error="m", micro=False)
    rows = [
        f"M{left + _BORDER} {top + _BORDER}h1v1h-1z"
        for top, row in enumerate(code.matrix)
        for left, dark in enumerate(row)
        if dark
    ]
    size = code.symbol_size(border=_BORDER)[0]
    return Markup('<svg viewBox="0 0 {size} {size}" role="img" aria-label="{label}"><path d="{path}"/></svg>').format(
        size=size, label=label, path="".join(rows)
    )
