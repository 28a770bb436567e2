"""The commands about mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ostiary.cli.accounts import with_core

if TYPE_CHECKING:
    from ostiary.app.core import Core

mail = typer.Typer(help="Send mail.", no_args_is_help=True)


@mail.command("test")
def send_test(
    address: Annotated[str, typer.Argument(help="Whom to write to.", show_default=False)],
) -> None:
    """Send a test message now, and say what the mail server answered."""

    async def work(core: Core, now: int) -> None:
        from ostiary.mail.message import Message  # noqa: PLC0415 - wrong usage is reported before anything is loaded
        from ostiary.mail.outbox import Outbox  # noqa: PLC0415 - as above

        message = Message(
            recipient=address,
            subject="Mail from Ostiary works",
            paragraphs=("This is the test message that an administrator asked for.", "There is nothing to do."),
            valid_until=now,
        )
        reply = await core.services[Outbox].send_now(message, now=now)
        typer.echo(reply)

    with_core(work)
