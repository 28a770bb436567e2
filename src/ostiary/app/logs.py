"""Logs: one line per event, plain on a terminal and JSON elsewhere, with the request's id, never with a secret.

Rooms log through the standard library; this module alone decides the format. (Importing structlog takes 0.3 s, a third
of a start; see docs/decisions.)
"""

from __future__ import annotations

import contextvars
import json
import logging
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TextIO

from ostiary.seal import STARS, Secret

REQUEST_ID: Final[contextvars.ContextVar[str]] = contextvars.ContextVar("ostiary.request_id", default="")
"""The id of the request that is being answered; set by the application around every handler."""

TRACE: Final = 5
_LEVELS: Final = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
# What a record carries by itself; anything else was given by `extra`.
_STANDARD_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# What stands for a value in a format of the logging module.
_PLACEHOLDER: Final = re.compile(r"%(?:%|[-#0 +]*[0-9]*(?:\.[0-9]+)?[a-zA-Z])")
# "password: expected a text" is a sentence, "password=expected" a value.
_PROSE: Final = re.compile(r"\s*:\s+")
_SHORTEST: Final = 4  # letters of a word after a colon that may be a secret
_WORDS: Final = frozenset(
    {
        *("cannot", "does", "expected", "expires", "give", "given", "invalid", "lost", "made", "missing", "must"),
        *("none", "null", "only", "required", "such", "there", "they", "this", "unknown", "used", "wrong"),
    }
)
# Names whose values are secrets, wherever they stand. Types mask themselves; this is for texts of other libraries.
SECRET_NAME: Final = re.compile(
    r"pass(word|wd|phrase)|secret|token|authori[sz]ation|cookie|api[_-]?key|private[_-]?key|assertion|\bcode\b",
    re.IGNORECASE,
)
_PAIR: Final = re.compile(
    r"(?P<name>[\w-]*(?:password|secret|token|api[_-]?key|authorization|assertion)[\w-]*)(?P<sign>[\"']?\s*[=:]\s*)"
    r"(?P<value>\"[^\"]*\"|'[^']*'|(?:Bearer |Basic )?[^\s,;&}]+)",
    re.IGNORECASE,
)
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


if TYPE_CHECKING:
    _StreamHandler = logging.StreamHandler[TextIO]
else:  # at run time it takes no parameter
    _StreamHandler = logging.StreamHandler

LOGGED: Final[Counter[str]] = Counter({"warning": 0, "error": 0})
"""How many lines were logged since the start that somebody should look at, by level."""


class _Counting(_StreamHandler):
    """Writes lines, and counts warnings and errors."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        if record.levelno >= logging.WARNING:
            LOGGED["error" if record.levelno >= logging.ERROR else "warning"] += 1
        super().emit(record)


def configure(level: str, *, stream: TextIO | None = None, terminal: bool | None = None) -> None:
    """Send every log line to `stream` (standard error): readable on a terminal, else JSON."""
    logging.addLevelName(TRACE, "TRACE")
    target = stream if stream is not None else sys.stderr
    on_terminal = target.isatty() if terminal is None else terminal
    handler = _Counting(target)
    handler.setFormatter(ConsoleFormatter() if on_terminal else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[level])
    # Chatter of libraries is for debugging them.
    floor = logging.NOTSET if _LEVELS[level] <= logging.DEBUG else logging.WARNING
    logging.getLogger("asyncio").setLevel(floor)


def add_filter(seen: logging.Filter) -> None:
    """Let a filter see every line before it is written."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(seen)


def mask(name: str, value: object) -> object:
    """Return a value as it may be logged under a name: secrets become stars, at any depth."""
    if isinstance(value, Secret) or (SECRET_NAME.search(name) and value not in (None, "", False, True)):
        return STARS
    if isinstance(value, Mapping):
        return {str(key): mask(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask(name, item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def mask_text(text: str, *, ours: Sequence[tuple[int, int]] = ()) -> str:
    """Mask what follows `password=`, `token: ` and the like in a text from elsewhere, and make it one line.

    `ours` are spans that come from the program itself: they are no secret. Elsewhere a few short words of sentences
    stay too ("token: a text was expected"), where nothing marks them as a value.
    """

    def starred(match: re.Match[str]) -> str:
        start, end = match.span("value")
        if any(first <= start and end <= last for first, last in ours) or _is_prose(match["sign"], match["value"]):
            return match[0]
        return f"{match['name']}{match['sign']}{STARS}"

    return _harmless(_PAIR.sub(starred, text))


def _is_prose(sign: str, value: str) -> bool:
    """Return whether a sentence continues after a colon. Quotes, an equals sign and Bearer always mark a value."""
    word = value.rstrip(".!?:)").lower()
    return bool(_PROSE.fullmatch(sign)) and word.isalpha() and (len(word) < _SHORTEST or word in _WORDS)


def _message(record: logging.LogRecord) -> str:
    """Return the message of a record, without secrets. The text of its format is the program's own."""
    text = record.getMessage()
    if _PAIR.search(text) is None:
        return _harmless(text)
    return mask_text(text, ours=_literal(record, text))


def _literal(record: logging.LogRecord, text: str) -> Sequence[tuple[int, int]]:
    """Return the spans of a message that come from its format, none when it was formatted elsewhere."""
    if not isinstance(record.msg, str) or not isinstance(record.args, tuple):
        return ()
    spans: list[tuple[int, int]] = []
    values, at, end = iter(record.args), 0, 0
    for place in _PLACEHOLDER.finditer(record.msg):
        literal = place.start() - end
        spans.append((at, at + literal))
        at += literal + len("%" if place[0] == "%%" else place[0] % next(values))
        end = place.end()
    spans.append((at, at + len(record.msg) - end))
    return spans if record.args and spans[-1][1] == len(text) else ()


def _harmless(text: str) -> str:
    """Return a text without line breaks and control characters."""
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _extra(record: logging.LogRecord) -> dict[str, object]:
    extra = {name: mask(name, value) for name, value in vars(record).items() if name not in _STANDARD_FIELDS}
    request_id = REQUEST_ID.get()
    if request_id:
        extra.setdefault("request_id", request_id)
    return extra


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, event, then the other fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _message(record),
            **_extra(record),
        }
        if record.exc_info:
            line["exception"] = "\n".join(mask_text(part) for part in self.formatException(record.exc_info).split("\n"))
        return json.dumps(line, ensure_ascii=False, default=str)


class ConsoleFormatter(logging.Formatter):
    """One readable line: time of day, level, event, then the other fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and a traceback below it when there is one."""
        moment = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        fields = ((name, value) for name, value in _extra(record).items() if name != "request_id")
        extra = "".join(f" {name}={_harmless(str(value))}" for name, value in fields)
        line = f"{moment} {record.levelname.lower():<7} {_message(record)}{extra}"
        if record.exc_info:
            # Indented: the text of an error may hold what a stranger sent, and must not begin a line of its own.
            parts = self.formatException(record.exc_info).split("\n")
            line += "".join(f"\n    {mask_text(part)}" for part in parts)
        return line
