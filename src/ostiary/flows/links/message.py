"""The text of a message with a link, by authentik's name of the template."""

from __future__ import annotations

from typing import Final

from ostiary.mail.message import Message, MessageLink
from ostiary.mail.wording import link_words

DEFAULT_SUBJECT: Final = "authentik"
"""The default subject of a stage."""

_MINUTE: Final = 60_000_000  # microseconds
_UNITS: Final = ((86_400_000_000, "day"), (3_600_000_000, "hour"))


def link_message(
    *, template: str, subject: str, recipient: str, account: str, brand: str, url: str, lifetime: int, now: int
) -> Message:
    """Return the message. `lifetime` of the link and `now` are in microseconds, `subject` is the stage's."""
    words = link_words(template)
    names = {"account": account, "brand": brand}
    return Message(
        recipient=recipient,
        subject=subject if subject not in {"", DEFAULT_SUBJECT} else words.subject.format(**names),
        paragraphs=(words.text.format(**names), f"The link works once, for {_in_words(lifetime)}."),
        link=MessageLink(words.label, url),
        footnote=words.footnote,
        valid_until=now + lifetime,
        brand=brand,
    )


def measured(duration: int) -> tuple[int, str]:
    """Return a duration (microseconds) as a number of days, hours or minutes, in the largest exact unit.

    Minutes are rounded up.
    """
    for size, name in _UNITS:
        if duration >= size and duration % size == 0:
            return duration // size, name
    return -(-duration // _MINUTE), "minute"


def _in_words(duration: int) -> str:
    number, unit = measured(duration)
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
