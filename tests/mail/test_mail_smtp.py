"""The SMTP client against real servers: TLS both ways, sign-in, refusals for now and for good."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.mail_server import ADDRESS, MailServer, Protection, mail_server, self_signed
from support.ports import free_port

from ostiary.mail.errors import MessageRefused, NotDelivered
from ostiary.mail.message import Message, compose
from ostiary.mail.smtp import SmtpClient
from ostiary.seal import Secret
from ostiary.settings import EmailSettings

NOW = 1_760_000_000_000_000
MESSAGE = Message(recipient="ada@house.example", subject="Hello", paragraphs=("Hello, Ada.",), valid_until=NOW)
COMPOSED = compose(MESSAGE, sender="door@house.example", number="n1", created=NOW)


def settings(port: int, *, tls: Protection = "none", username: str = "", password: str = "") -> EmailSettings:
    return EmailSettings(
        host=ADDRESS,
        port=port,
        username=username,
        password=Secret(password),
        use_tls=tls == "starttls",
        use_ssl=tls == "tls",
        timeout=60,
    )


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


async def test_a_message_reaches_the_server_as_it_was_composed(server: MailServer) -> None:
    reply = await SmtpClient(settings(server.port)).send(COMPOSED)
    assert "queued" in reply
    (accepted,) = server.accepted
    assert server.recipients == ["ada@house.example"]
    assert accepted["Message-ID"] == "<n1@house.example>"
    assert server.protected == [False]


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_protected_connection_is_used_when_its_certificate_is_trusted(
    tls: Protection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    with mail_server(tls=tls, certificate=certificate) as server:
        client = SmtpClient(settings(server.port, tls=tls))
        with pytest.raises(NotDelivered, match=r"(?i)certificate"):
            await client.send(COMPOSED)
        assert server.accepted == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        await client.send(COMPOSED)
        assert server.protected == [True]


async def test_a_server_without_starttls_is_not_spoken_to_in_clear(server: MailServer) -> None:
    with pytest.raises(NotDelivered, match="STARTTLS"):
        await SmtpClient(settings(server.port, tls="starttls")).send(COMPOSED)
    assert server.accepted == []


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_a_sign_in_is_made_and_a_wrong_password_names_the_setting() -> None:
    with mail_server(login=("ostiary", "right")) as server:
        await SmtpClient(settings(server.port, username="ostiary", password="right")).send(COMPOSED)
        assert len(server.accepted) == 1
        with pytest.raises(NotDelivered, match="OSTIARY_EMAIL__PASSWORD") as wrong:
            await SmtpClient(settings(server.port, username="ostiary", password="wr0ng-one")).send(COMPOSED)
        assert not isinstance(wrong.value, MessageRefused)
        assert "wr0ng-one" not in str(wrong.value)
        assert len(server.accepted) == 1


@pytest.mark.parametrize(("reply", "final"), [("550 no such user", True), ("450 later", False)])
@pytest.mark.parametrize("step", ["rcpt_reply", "data_reply"])
async def test_a_refusal_for_good_is_told_from_one_for_now(
    server: MailServer, step: str, reply: str, final: bool
) -> None:
    setattr(server, step, reply)
    with pytest.raises(NotDelivered, match=reply[:3]) as refusal:
        await SmtpClient(settings(server.port)).send(COMPOSED)
    assert isinstance(refusal.value, MessageRefused) is final


async def test_nobody_listening_names_the_setting() -> None:
    with pytest.raises(NotDelivered, match="OSTIARY_EMAIL__HOST"):
        await SmtpClient(settings(free_port())).send(COMPOSED)


async def test_a_silent_server_has_an_end() -> None:
    with socket.create_server((ADDRESS, 0)) as silent:
        port = silent.getsockname()[1]
        client = SmtpClient(EmailSettings(host=ADDRESS, port=port, timeout=1))
        with pytest.raises(NotDelivered):
            await client.send(COMPOSED)
