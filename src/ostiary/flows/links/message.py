"""The text of a message with a link, by authentik's name of the template."""

from __future__ import annotations

from typing import Final

from ostiary.mail.message import Message, MessageLink
from ostiary.record import dataclass

PASSWORD_RESET: Final = "email/password_reset.html"  # noqa: S105 - the name of a template
ACCOUNT_CONFIRMATION: Final = "email/account_confirmation.html"
DEFAULT_SUBJECT: Final = "authentik"
"""The default subject of a stage."""

_MINUTE: Final = 60_000_000  # microseconds
_UNITS: Final = ((86_400_000_000, "day"), (3_600_000_000, "hour"))


@dataclass(frozen=True, slots=True)
class _Words:
    subject: str
    text: str
    label: str
    footnote: str


_WORDS: Final = {
    PASSWORD_RESET: _Words(
        "Choose a new password",
        "Somebody asked for a new password for the account {account} at {brand}. If it was you, choose one here.",
        "Choose a new password",
        "If it was not you, there is nothing to do: nothing changes without the link.",
    ),
    ACCOUNT_CONFIRMATION: _Words(
        "Confirm your e-mail address",
        "This address was given for the account {account} at {brand}. If it was you, confirm it here.",
        "Confirm the address",
        "If it was not you, there is nothing to do: nothing happens without the link.",
    ),
}
_OTHER: Final = _Words(
    "Go on at {brand}",
    "Somebody gave this address for the account {account} at {brand}. If it was you, go on here.",
    "Go on",
    "If it was not you, there is nothing to do: nothing happens without the link.",
)


def link_message(
    *, template: str, subject: str, recipient: str, account: str, brand: str, url: str, lifetime: int, now: int
) -> Message:
    """Return the message. `lifetime` of the link and `now` are in microseconds, `subject` is the stage's."""
    words = _WORDS.get(template, _OTHER)
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
