"""The SMTP client (RFC 5321): one connection for each message, TLS verified against the system's authorities."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ostiary.mail.errors import MessageRefused, NotDelivered
from ostiary.settings import EmailSettings
from ostiary.spans import span

if TYPE_CHECKING:
    from email.message import EmailMessage

    import aiosmtplib

_PERMANENT = 500  # replies from here on are final (RFC 5321 4.2.1)


class SmtpClient:
    """Delivers messages to the server of the settings."""

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings

    @property
    def server(self) -> str:
        """The server in words, for an operator: host, port and protection."""
        here = self._settings
        tls = "TLS" if here.use_ssl else "STARTTLS" if here.use_tls else "no TLS"
        return f"{here.host}:{here.port} ({tls})"

    @property
    def sender(self) -> str:
        """The sender of every message."""
        return self._settings.sender

    async def send(self, message: EmailMessage) -> str:
        """Deliver a message, and return the server's reply. Raises NotDelivered, MessageRefused."""
        import aiosmtplib  # noqa: PLC0415 - 60 ms that only a message needs

        here = self._settings
        client = aiosmtplib.SMTP(
            hostname=here.host,
            port=here.port,
            timeout=here.timeout,
            use_tls=here.use_ssl,
            start_tls=here.use_tls and not here.use_ssl,
            validate_certs=True,
        )
        try:
            with span("SMTP", "client") as work:
                work.note("server.address", here.host)
                work.note("server.port", here.port)
                async with asyncio.timeout(here.timeout * _STEPS):
                    return await self._converse(client, message)
        except TimeoutError:
            raise NotDelivered(f"{self.server} did not answer within {here.timeout * _STEPS:.0f} seconds") from None
        except aiosmtplib.SMTPException as error:
            raise self._translate(error) from error
        except (OSError, ValueError) as error:
            raise NotDelivered(f"{self.server}: {type(error).__name__}: {error}") from error
        finally:
            client.close()

    async def _converse(self, client: aiosmtplib.SMTP, message: EmailMessage) -> str:
        await client.connect()
        if self._settings.username:
            await client.login(self._settings.username, self._settings.password.reveal())
        _, reply = await client.send_message(message)
        await client.quit()
        return reply

    def _translate(self, error: aiosmtplib.SMTPException) -> NotDelivered:
        """Return our error. A wrong password is no fault of the message: a later attempt finds it corrected."""
        import aiosmtplib  # noqa: PLC0415 - loaded by now

        text = f"{self.server}: {_words(error)}"
        if isinstance(error, aiosmtplib.SMTPAuthenticationError):
            return NotDelivered(f"{text}. Is OSTIARY_EMAIL__USERNAME right, and OSTIARY_EMAIL__PASSWORD?")
        if isinstance(error, aiosmtplib.SMTPConnectError | aiosmtplib.SMTPTimeoutError):
            return NotDelivered(f"{text}. Is OSTIARY_EMAIL__HOST right, and OSTIARY_EMAIL__PORT?")
        refused = isinstance(error, aiosmtplib.SMTPResponseException) and error.code >= _PERMANENT
        if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
            refused = all(one.code >= _PERMANENT for one in error.recipients)
        return MessageRefused(text) if refused else NotDelivered(text)


_STEPS = 3  # the settings' time-out is that of one step; all together may take this many


def _words(error: aiosmtplib.SMTPException) -> str:
    import aiosmtplib  # noqa: PLC0415 - loaded by now

    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return "; ".join(f"{one.code} {one.message}" for one in error.recipients)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {error.message}"
    return str(error) or type(error).__name__
