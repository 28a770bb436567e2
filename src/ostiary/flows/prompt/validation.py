"""Validation of the response to one prompt field, by the rules of its type."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime
from typing import Final

from ostiary.resource.json_checks import require_text

MAX_TEXT_LENGTH: Final = 65_536  # characters
MAX_FILE_SIZE: Final = 512 * 1024  # bytes
_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+")
_LOCALE: Final = re.compile(r"|[a-zA-Z]{2,3}([-_][a-zA-Z0-9]{2,8})*")
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,15}(\.0*)?")
_MAX_FILE_LENGTH: Final = 256 + (MAX_FILE_SIZE + 2) // 3 * 4  # characters of a data URL
_FILE: Final = re.compile(r"data:[\w.+-]+/[\w.+-]+(;[\w=.+-]+)*;base64,[A-Za-z0-9+/=]*")

SERVER_SIDE: Final = frozenset({"hidden", "static", "text_read_only", "text_area_read_only"})
"""Types whose value is always the server's own."""


class NotValid(ValueError):
    """The response is not valid. The message is for the user."""


class Missing(NotValid):
    """A required field is empty."""


def judge(kind: str, raw: object, *, required: bool, choices: Collection[str] = ()) -> object:
    """Return the value of a response to a field of that type. Raises NotValid, Missing."""
    if kind == "checkbox":
        return _checkbox(raw)
    if kind == "file" and isinstance(raw, str) and len(raw) > _MAX_FILE_LENGTH:
        raise NotValid("This file is too large.")
    most = _MAX_FILE_LENGTH if kind == "file" else MAX_TEXT_LENGTH
    text = _text(raw, strip=kind not in {"password", "text_area"}, most=most)
    if text == "":
        if required and kind != "ak-locale":  # nothing is a choice there: what the browser asks for
            raise Missing("This field is needed.")
        return text
    if kind in {"dropdown", "radio-button-group"} and text not in choices:
        raise NotValid("Choose one of the list.")
    rule = _RULES.get(kind)
    return rule(text) if rule is not None else text


def _checkbox(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    if raw is None or raw in {"", "false", "off"}:
        return False
    if raw in {"true", "on"}:
        return True
    raise NotValid("Tick the box, or leave it.")


def _text(raw: object, *, strip: bool, most: int) -> str:
    if raw is None:
        return ""
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        raw = str(raw)
    if not isinstance(raw, str) or len(raw) > most:
        raise NotValid("This is not a text, or it is too long.")
    try:
        require_text(raw)
    except ValueError as error:
        raise NotValid("This text has characters that cannot be kept.") from error
    return raw.strip() if strip else raw


def _matching(pattern: re.Pattern[str], message: str) -> Callable[[str], object]:
    def rule(text: str) -> object:
        if not pattern.fullmatch(text):
            raise NotValid(message)
        return text

    return rule


def _number(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise NotValid("Enter a whole number.")
    return int(text.partition(".")[0])


def _parsed(parse: Callable[[str], object], message: str) -> Callable[[str], object]:
    def rule(text: str) -> object:
        try:
            return parse(text)
        except (ValueError, OverflowError):
            raise NotValid(message) from None

    return rule


def _moment(text: str) -> datetime:
    """Return a date and a time. Browsers name no zone: it is UTC."""
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


_RULES: Final[Mapping[str, Callable[[str], object]]] = {
    "email": _matching(_EMAIL, "Enter an e-mail address."),
    "ak-locale": _matching(_LOCALE, "Choose a language."),
    "file": _matching(_FILE, "Choose a file."),
    "number": _number,
    "date": _parsed(date.fromisoformat, "Enter a date."),
    "date-time": _parsed(_moment, "Enter a date and a time."),
}
