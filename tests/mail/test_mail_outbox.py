"""The outbox: nothing is lost, nothing is sent twice, and neither queue nor database tells a link."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from support.mail_server import ADDRESS, MailServer, mail_server
from support.ports import free_port

from ostiary.mail.errors import BadAddress, NotDelivered
from ostiary.mail.message import Message, MessageLink
from ostiary.mail.outbox import KEPT, Outbox
from ostiary.mail.smtp import SmtpClient
from ostiary.mail.tables import sweep
from ostiary.room import GiveUp
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.settings import EmailSettings
from ostiary.store.database import Database
from ostiary.store.workspace.commit import run

NOW = 1_760_000_000_000_000
HOUR = 3_600_000_000
TOKEN = "wJ7-the-bearer-value"
MESSAGE = Message(
    recipient="ada@house.example",
    subject="Choose a new password",
    paragraphs=("Somebody asked for a new password.",),
    link=MessageLink("Choose a new password", f"https://id.house.example/?flow_token={TOKEN}"),
    valid_until=NOW + HOUR,
)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


def outbox(database: Database, port: int) -> Outbox:
    client = SmtpClient(EmailSettings(host=ADDRESS, port=port, timeout=60, sender="door@house.example"))
    return Outbox(database, Sealer(Secret("k" * 50)), client)


async def post(database: Database, box: Outbox) -> Mapping[str, Any]:
    await database.write(lambda: run(box.post(MESSAGE, now=NOW)))
    (task,) = await database.fetch("SELECT name, args FROM task")
    assert task["name"] == "mail.send"
    args: Mapping[str, Any] = json.loads(task["args"])
    return args


async def test_a_message_is_sent_once_and_then_gone(database: Database, server: MailServer) -> None:
    box = outbox(database, server.port)
    args = await post(database, box)
    await box.send(args, now=NOW)
    await box.send(args, now=NOW)  # the end of the first attempt could not be noted
    assert len(server.accepted) == 1
    assert await database.fetch("SELECT id FROM mail") == []
    (event,) = await database.fetch("SELECT action, context FROM event")
    assert event["action"] == "email_sent"
    assert "ada@house.example" in event["context"]
    assert TOKEN not in event["context"]
    assert box.counts == {"sent": 1, "failed": 0, "refused": 0}


async def test_a78_the_link_is_in_no_row_in_clear(database: Database) -> None:
    args = await post(database, outbox(database, free_port()))
    assert TOKEN not in json.dumps(args)
    (row,) = await database.fetch("SELECT sealed FROM mail")
    assert TOKEN not in row["sealed"]


async def test_a_server_that_is_away_loses_nothing(database: Database, server: MailServer) -> None:
    args = await post(database, outbox(database, server.port))
    away = outbox(database, free_port())
    with pytest.raises(NotDelivered):
        await away.send(args, now=NOW)
    assert away.counts["failed"] == 1
    await outbox(database, server.port).send(args, now=NOW + 60)
    assert server.recipients == ["ada@house.example"]


async def test_a_refusal_for_good_is_given_up_and_kept_for_the_operator(database: Database, server: MailServer) -> None:
    server.rcpt_reply = "550 no such user"
    box = outbox(database, server.port)
    args = await post(database, box)
    with pytest.raises(GiveUp, match="550 no such user"):
        await box.send(args, now=NOW)
    assert len(await database.fetch("SELECT id FROM mail")) == 1
    assert box.counts["refused"] == 1


async def test_a_message_whose_link_has_expired_is_not_sent(database: Database, server: MailServer) -> None:
    box = outbox(database, server.port)
    args = await post(database, box)
    with pytest.raises(GiveUp, match="expired"):
        await box.send(args, now=MESSAGE.valid_until)
    assert server.accepted == []


async def test_a_message_under_another_secret_key_is_given_up(database: Database, server: MailServer) -> None:
    args = await post(database, outbox(database, server.port))
    client = SmtpClient(EmailSettings(host=ADDRESS, port=server.port))
    with pytest.raises(GiveUp, match="cannot be read"):
        await Outbox(database, Sealer(Secret("another" * 9)), client).send(args, now=NOW)


async def test_a_recipient_that_is_none_is_refused_before_anything_is_written(database: Database) -> None:
    message = Message(recipient="ada", subject="x", paragraphs=(), valid_until=NOW)
    with pytest.raises(BadAddress):
        outbox(database, free_port()).post(message, now=NOW)


async def test_what_nobody_sent_is_swept_after_a_month(database: Database) -> None:
    await post(database, outbox(database, free_port()))
    await database.write(lambda: run([sweep(NOW + KEPT - 1)]))
    assert len(await database.fetch("SELECT id FROM mail")) == 1
    await database.write(lambda: run([sweep(NOW + KEPT)]))
    assert await database.fetch("SELECT id FROM mail") == []
