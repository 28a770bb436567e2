"""The outbox: a message is written in the caller's transaction, and sent by a task."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from ostiary.events.event import event
from ostiary.mail.errors import BadAddress, MessageRefused
from ostiary.mail.message import Message, compose, mail_address
from ostiary.mail.smtp import SmtpClient
from ostiary.room import GiveUp
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer, SealError
from ostiary.settings import EmailSettings
from ostiary.store.database import Database, Statement, fetch_one
from ostiary.store.workspace.commit import run
from ostiary.tasks.job import enqueue

JOB: Final = "mail.send"
ATTEMPTS: Final = 16  # with growing delays: about six hours
KEPT: Final = 30 * 86_400_000_000  # microseconds that an unsent message is kept, to be tried again by hand


class _Server(msgspec.Struct):
    """A mail server as it is sealed with a message: `EmailSettings` with the password in clear."""

    host: str
    port: int
    username: str
    password: str
    use_tls: bool
    use_ssl: bool
    timeout: int
    sender: str


class _Queued(msgspec.Struct):
    """What waits in the outbox: the message, and the server that it goes to where that is not the settings'."""

    message: Message
    server: _Server | None = None


class Outbox:
    """Queues messages, and sends those that are due. Counts what became of them in this process."""

    def __init__(self, database: Database, sealer: Sealer, client: SmtpClient) -> None:
        self._database = database
        self._sealer = sealer
        self._client = client
        self.counts: Final[dict[str, int]] = {"sent": 0, "failed": 0, "refused": 0}
        """Attempts by result, since the start of the process."""

    def post(self, message: Message, *, now: int, server: EmailSettings | None = None) -> Sequence[Statement]:
        """Return the statements that put a message into the outbox. Raises BadAddress.

        `server` is one of the caller's own, in place of that of the settings.
        """
        recipient = mail_address(message.recipient)
        number = uuid.uuid4().hex
        queued = _Queued(message, None if server is None else _server(server))
        # guard: A78 a link lies sealed until it is sent
        sealed = self._sealer.seal(msgspec.json.encode(queued), context=_context(number))
        return (
            Statement(
                "INSERT INTO mail (id, created, expires, sealed) VALUES (?, ?, ?, ?)",
                (number, now, now + KEPT, sealed),
            ),
            enqueue(JOB, {"mail": number, "to": recipient}, now=now),
        )

    async def send_now(self, message: Message, *, now: int) -> str:
        """Send a message without the queue, and return in words what became of it. Raises BadAddress, NotDelivered."""
        number = uuid.uuid4().hex
        reply = await self._client.send(compose(message, sender=self._client.sender, number=number, created=now))
        return f"{self._client.server} accepted the message to {message.recipient.strip()}: {reply}"

    async def send(self, args: Mapping[str, object], *, now: int) -> None:
        """Send the message that a task names. Raises NotDelivered; GiveUp when another attempt would be in vain."""
        number = str(args["mail"])
        row = await fetch_one(self._database, "SELECT created, sealed FROM mail WHERE id = ?", number)
        if row is None:
            return  # sent already: only the end of that task could not be noted
        try:
            queued = msgspec.json.decode(self._sealer.open(row["sealed"], context=_context(number)), type=_Queued)
        except (SealError, msgspec.MsgspecError) as error:
            raise GiveUp(f"the stored message cannot be read: {type(error).__name__}") from error
        if queued.message.valid_until <= now:
            raise GiveUp("the message was not sent in time: its link has expired")
        client = self._client if queued.server is None else SmtpClient(_settings(queued.server))
        await self._deliver(client, queued.message, number, row["created"])
        await self._database.write(lambda: run(_sent(queued.message, number, sender=client.sender, now=now)))

    async def _deliver(self, client: SmtpClient, message: Message, number: str, created: int) -> None:
        result = "failed"
        try:
            await client.send(compose(message, sender=client.sender, number=number, created=created))
            result = "sent"
        except (BadAddress, MessageRefused) as error:
            result = "refused"
            raise GiveUp(str(error)) from error
        finally:
            self.counts[result] += 1


def _sent(message: Message, number: str, *, sender: str, now: int) -> Sequence[Statement]:
    return (
        Statement("DELETE FROM mail WHERE id = ?", (number,)),
        event(
            "email_sent",
            user=None,
            app="ostiary.mail",
            context={
                "message": f"Email to {message.recipient} sent",
                "subject": message.subject,
                "from_email": sender,
                "to_email": [message.recipient],
            },
            client_ip=None,
            now=now,
        ),
    )


def _server(settings: EmailSettings) -> _Server:
    return _Server(
        settings.host,
        settings.port,
        settings.username,
        settings.password.reveal(),
        settings.use_tls,
        settings.use_ssl,
        settings.timeout,
        settings.sender,
    )


def _settings(server: _Server) -> EmailSettings:
    return EmailSettings(
        host=server.host,
        port=server.port,
        username=server.username,
        password=Secret(server.password),
        use_tls=server.use_tls,
        use_ssl=server.use_ssl,
        timeout=server.timeout,
        sender=server.sender,
    )


def _context(number: str) -> str:
    return f"mail/{number}/message"
