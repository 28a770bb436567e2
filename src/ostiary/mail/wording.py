"""The words of messages by the template that a stage or an expression names, as authentik does."""

from __future__ import annotations

from typing import Final

from ostiary.record import dataclass

PASSWORD_RESET: Final = "email/password_reset.html"  # noqa: S105 - the name of a template
ACCOUNT_CONFIRMATION: Final = "email/account_confirmation.html"
EMAIL_CODE: Final = "email/email_otp.html"
EVENT_NOTIFICATION: Final = "email/event_notification.html"


@dataclass(frozen=True, slots=True)
class LinkWords:
    """The words around the link of a message. `{account}` and `{brand}` are places for names."""

    subject: str
    text: str
    label: str
    footnote: str


_BY_TEMPLATE: Final = {
    PASSWORD_RESET: LinkWords(
        "Choose a new password",
        "Somebody asked for a new password for the account {account} at {brand}. If it was you, choose one here.",
        "Choose a new password",
        "If it was not you, there is nothing to do: nothing changes without the link.",
    ),
    ACCOUNT_CONFIRMATION: LinkWords(
        "Confirm your e-mail address",
        "This address was given for the account {account} at {brand}. If it was you, confirm it here.",
        "Confirm the address",
        "If it was not you, there is nothing to do: nothing happens without the link.",
    ),
}
_OTHER: Final = LinkWords(
    "Go on at {brand}",
    "Somebody gave this address for the account {account} at {brand}. If it was you, go on here.",
    "Go on",
    "If it was not you, there is nothing to do: nothing happens without the link.",
)


def link_words(template: str) -> LinkWords:
    """Return the words for a link; those of no purpose for a template that we do not know."""
    return _BY_TEMPLATE.get(template, _OTHER)
