"""What an expression would like done: noted here, and done by the host when the expression has returned."""

from __future__ import annotations

from typing import Any

from ostiary.sandbox.language.prelude.values import ostiary_plain

ostiary_effects: list[Any] = []


def ak_message(message: Any) -> None:
    """Tell the person something."""
    ostiary_effects.append(["message", str(message)])


def ak_create_event(action: Any, **values: Any) -> None:
    """Write an event."""
    ostiary_effects.append(["event", str(action), ostiary_plain(values)])


TEMPLATES = (
    "email/account_confirmation.html",
    "email/email_otp.html",
    "email/event_notification.html",
    "email/password_reset.html",
)
MAX_RECIPIENTS = 20


def ostiary_addresses(given: Any) -> list[str]:
    """Return addresses that were given as one, as several or not at all."""
    if given is None:
        return []
    return [given] if isinstance(given, str) else [str(one) for one in given]


def ak_send_email(  # noqa: PLR0917 - as authentik's
    address: Any,
    subject: Any,
    body: Any = None,
    stage: Any = None,
    template: Any = None,
    context: Any = None,
    cc: Any = None,
    bcc: Any = None,
) -> bool:
    """Have a mail sent. Raises ValueError."""
    if (body is None) == (template is None):
        raise ValueError("Exactly one of 'body' and 'template' must be given")
    if template is not None and template not in TEMPLATES:
        raise ValueError("there is no template " + str(template) + "; there are " + ", ".join(TEMPLATES))
    if stage is not None:
        raise NotImplementedError("leave stage out: mails go through the mail server of the settings")
    to, copies, hidden = ostiary_addresses(address), ostiary_addresses(cc), ostiary_addresses(bcc)
    if not to:
        raise ValueError("Nobody to send the mail to")
    sent = sum([len(one[1]["to"] + one[1]["cc"] + one[1]["bcc"]) for one in ostiary_effects if one[0] == "email"])
    if sent + len(to + copies + hidden) > MAX_RECIPIENTS:
        raise ValueError("an expression writes to " + str(MAX_RECIPIENTS) + " addresses at most")
    ostiary_effects.append(
        [
            "email",
            ostiary_plain(
                {
                    "to": to,
                    "subject": str(subject),
                    "body": None if body is None else str(body),
                    "template": template,
                    "context": context,
                    "cc": copies,
                    "bcc": hidden,
                }
            ),
        ]
    )
    return True


class Logger:
    """Writes to the server's log."""

    def _note(self, level: str, event: Any, values: dict[str, Any]) -> None:
        ostiary_effects.append(["log", level, str(event), {name: str(value) for name, value in values.items()}])

    def debug(self, event: Any = "", *_arguments: Any, **values: Any) -> None:
        """Write a line of level debug."""
        self._note("debug", event, values)

    def info(self, event: Any = "", *_arguments: Any, **values: Any) -> None:
        """Write a line of level info."""
        self._note("info", event, values)

    def warning(self, event: Any = "", *_arguments: Any, **values: Any) -> None:
        """Write a line of level warning."""
        self._note("warning", event, values)

    def error(self, event: Any = "", *_arguments: Any, **values: Any) -> None:
        """Write a line of level error."""
        self._note("error", event, values)

    def exception(self, event: Any = "", *_arguments: Any, **values: Any) -> None:
        """Write a line of level error."""
        self._note("error", event, values)

    def critical(self, event: Any = "", *_arguments: Any, **values: Any) -> None:
        """Write a line of level critical."""
        self._note("critical", event, values)

    def bind(self, **_values: Any) -> Logger:
        """Return the logger."""
        return self


ak_logger = Logger()
