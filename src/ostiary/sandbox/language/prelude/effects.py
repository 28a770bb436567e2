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
    addresses = [address] if isinstance(address, str) else list(address)
    if not addresses:
        raise ValueError("Nobody to send the mail to")
    ostiary_effects.append(
        [
            "email",
            ostiary_plain(
                {
                    "to": addresses,
                    "subject": str(subject),
                    "body": body,
                    "template": template,
                    "stage": stage,
                    "context": context,
                    "cc": cc,
                    "bcc": bcc,
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
