"""`ak_send_email`: the messages that expressions want, through the outbox to a real mail server."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterator
from typing import Any, cast

import pytest
from support.mail_server import ADDRESS, MailServer, mail_server

from ostiary.mail.outbox import Outbox
from ostiary.mail.smtp import SmtpClient
from ostiary.sandbox.evaluation import mails
from ostiary.sandbox.evaluation.effects import effect_statements
from ostiary.sandbox.evaluation.errors import ExpressionFailed
from ostiary.sandbox.evaluation.expression_context import Expression, ExpressionContext
from ostiary.sandbox.evaluation.functions import Functions
from ostiary.sandbox.evaluation.mails import MAX_RECIPIENTS, outbox_statements, paragraphs_of
from ostiary.sandbox.evaluation.result import Evaluation
from ostiary.sandbox.evaluation.runner import Runner
from ostiary.sandbox.language.names import POLICY
from ostiary.sandbox.language.prelude import effects
from ostiary.sandbox.workers import Workers
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.settings import EmailSettings
from ostiary.store.database import Database
from ostiary.store.workspace.commit import run

NOW = 1_760_000_000_000_000
SCENE = ExpressionContext(subject=None, now=NOW, brand={"branding_title": "The House"})


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


class Post:
    """An expression's way to a mail server."""

    def __init__(self, database: Database, server: MailServer) -> None:
        self.database = database
        client = SmtpClient(EmailSettings(host=ADDRESS, port=server.port, timeout=60, sender="door@house.example"))
        self.outbox = Outbox(database, Sealer(Secret("k" * 50)), client)

    async def evaluate(self, source: str, expression_context: ExpressionContext = SCENE) -> Evaluation:
        workers, nobody = Workers(), cast("Any", None)
        try:
            runner = Runner(workers, Functions(nobody, nobody, nobody), self.outbox)
            return await runner.run(Expression(source, POLICY, "policy x"), expression_context)
        finally:
            await workers.close()

    async def sent(self, result: Evaluation) -> None:
        """Do what the expression wants, and what the queue does then."""
        statements = list(effect_statements(result.effects, user=None, client_ip=None, now=NOW))
        await self.database.write(lambda: run(statements))
        for task in await self.database.fetch("SELECT args FROM task WHERE name = 'mail.send' ORDER BY id"):
            await self.outbox.send(json.loads(str(task["args"])), now=NOW)


@pytest.fixture
def post(database: Database, server: MailServer) -> Post:
    return Post(database, server)


async def test_a_mail_is_sent_by_the_queue(post: Post, server: MailServer) -> None:
    result = await post.evaluate(
        'ok = ak_send_email("keeper@house.example", "Somebody is here", body="At the gate.\\nIt rings.\\n\\nOpen!")\n'
        "return ok"
    )
    assert result.passing
    assert server.accepted == []
    await post.sent(result)
    (message,) = server.accepted
    assert (message["To"], message["Subject"], message["From"]) == (
        "keeper@house.example", "Somebody is here", "The House <door@house.example>",
    )  # fmt: skip
    plain, rich = cast("Any", message.get_body(("plain",))), cast("Any", message.get_body(("html",)))
    assert plain.get_content().replace("\r\n", "\n").startswith("At the gate.\nIt rings.\n\nOpen!\n\n-- \nThe House")
    assert "At the gate.<br>It rings.</p>" in rich.get_content()


async def test_each_address_gets_a_message_of_its_own(post: Post, server: MailServer) -> None:
    result = await post.evaluate(
        'ak_send_email(["a@x.example", "b@x.example"], "Hi", body="x", cc="c@x.example", bcc=["d@x.example", "a@x.example"])\n'
        "return True"
    )
    await post.sent(result)
    assert sorted(server.recipients) == ["a@x.example", "b@x.example", "c@x.example", "d@x.example"]
    assert {(message["To"], message["Cc"], message["Bcc"]) for message in server.accepted} == {
        (f"{name}@x.example", None, None) for name in "abcd"
    }


@pytest.mark.parametrize(
    ("call", "texts"),
    [
        (
            'template="email/event_notification.html", context={"title": "Snow", "body": "It snows.", "key_value": {"Depth": 20}}',
            ["Snow\n\nIt snows.\n\nDepth: 20\n"],
        ),
        ('template="email/email_otp.html", context={"token": "123456"}', ["Your code: 123456\n"]),
        (
            'template="email/password_reset.html", context={"url": "https://id.example/x?a=1", "user": request.user}',
            ["new password for the account", "at The House", "Choose a new password:\nhttps://id.example/x?a=1\n"],
        ),
        ('template="email/account_confirmation.html"', ["This address was given for the account a@x.example"]),
        ('body="<h1>Hello</h1><p>You &amp; me<br>and all</p><style>p {}</style>"', ["Hello\n\nYou & me\nand all\n"]),
        ('body="2 < 3 and 4 > 3"', ["2 < 3 and 4 > 3\n"]),
    ],
)  # fmt: skip
async def test_what_a_message_says(post: Post, server: MailServer, call: str, texts: list[str]) -> None:
    await post.sent(await post.evaluate(f'return ak_send_email("a@x.example", "Subject", {call})'))
    (message,) = server.accepted
    plain = cast("Any", message.get_body(("plain",))).get_content().replace("\r\n", "\n")
    for text in texts:
        assert text in plain.replace("account a@x.example\nat", "account a@x.example at"), plain


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ('"a@x.example", "s"', "Exactly one of"),
        ('"a@x.example", "s", body="b", template="email/email_otp.html"', "Exactly one of"),
        ('[], "s", body="b"', "Nobody to send"),
        ('"a@x.example", "s", template="mine.html"', "there is no template mine.html; there are email/"),
        ('"a@x.example", "s", body="b", stage="x"', "NotImplementedError: leave stage out"),
        ('["a@x.example"] * 21, "s", body="b"', "an expression writes to 20 addresses at most"),
    ],
)
async def test_what_cannot_be_sent_fails(post: Post, call: str, reason: str) -> None:
    with pytest.raises(ExpressionFailed, match=reason):
        await post.evaluate(f"return ak_send_email({call})")


async def test_calls_are_counted_together(post: Post) -> None:
    with pytest.raises(ExpressionFailed, match="20 addresses at most"):
        await post.evaluate('for n in range(21):\n    ak_send_email(f"a{n}@x.example", "s", body="b")\nreturn True')


async def test_a80_a_trial_posts_no_mail(post: Post) -> None:
    source = 'return ak_send_email("a@x.example", "s", body="b")'
    trial = await post.evaluate(source, dataclasses.replace(SCENE, trial=True))
    assert len(trial.effects.mails) == 1
    assert list(effect_statements(trial.effects, user=None, client_ip=None, now=NOW)) == []
    assert (await post.evaluate(source)).effects.posts


async def test_an_address_that_is_none_is_left_out(post: Post, server: MailServer, caplog: Any) -> None:
    with caplog.at_level(logging.WARNING, logger="ostiary.expressions"):
        result = await post.evaluate(
            'return ak_send_email(["a@x.example, b@x.example", "b@x.example\\nBcc: c@x.example", "d@x.example"], "s\\nX: y", body="b")'
        )  # fmt: skip
        await post.sent(result)
    assert server.recipients == ["d@x.example"]
    assert server.accepted[0]["Subject"] == "s X: y"
    assert caplog.text.count("policy x: no mail is sent: expected an e-mail address") == 2


def test_a78_an_expression_writes_to_a_few_addresses(database: Database) -> None:
    """Even if the program was not made by us."""
    outbox = Outbox(database, Sealer(Secret("k" * 50)), cast("Any", None))
    mails = [{"to": [f"a{n}@x.example" for n in range(15)], "body": "b"}] * 1 + [
        {"to": [f"b{n}@x.example" for n in range(15)], "body": "b"}
    ]
    assert len(list(outbox_statements(mails, Expression("", POLICY, "x"), SCENE, outbox))) == 2 * MAX_RECIPIENTS


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://x.example/<b>", "/if/flow/x/", 7, None])
def test_a78_a_message_leads_to_the_web_only(url: object) -> None:
    mail = {"to": ["a@x.example"], "template": "email/password_reset.html", "context": {"url": url}}
    assert mails._message(mail, "a@x.example", SCENE).link is None


def test_what_the_program_and_the_host_say_is_the_same() -> None:
    assert effects.MAX_RECIPIENTS == MAX_RECIPIENTS
    for template in effects.TEMPLATES:
        mail = {
            "to": ["a@x.example"],
            "subject": "s",
            "template": template,
            "context": {"body": "b", "url": "https://x"},
        }
        assert mails._message(mail, "a@x.example", SCENE).paragraphs


def test_long_bodies_are_cut() -> None:
    assert len(paragraphs_of("x" * 100_000)[0]) == 65_536
    assert paragraphs_of("a<" * 30_000)
