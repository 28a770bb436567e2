"""A house where a forgotten password is replaced by a link: the flow, its mail server, and the links that arrived."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

from flows_world import PASSWORD, Client, World, pk
from support.mail_server import ADDRESS, MailServer

from ostiary.flows.prompt.field import Prompt
from ostiary.flows.resources import Flow, Stage
from ostiary.flows.stages.authenticator_validate import AuthenticatorValidateStage
from ostiary.flows.stages.email import EmailStage
from ostiary.flows.stages.identification import IdentificationStage
from ostiary.flows.stages.prompt import PromptStage
from ostiary.flows.stages.user_login import UserLoginStage
from ostiary.flows.stages.user_write import UserWriteStage
from ostiary.mail.outbox import JOB, Outbox
from ostiary.seal import Secret

SLUG = "recovery"
NEW_PASSWORD = "a horse of another colour"
MAIL_PAGE = "ak-stage-email"
MINUTE = 60_000_000


@dataclass
class Recovery:
    """The flow, and the mail that it sent."""

    world: World
    server: MailServer
    flow: Flow
    identification: IdentificationStage
    email: EmailStage

    def client(self, **values: Any) -> Client:
        return Client(self.world, slug=SLUG, **values)

    async def ask(self, name: str = "jo", **values: Any) -> tuple[Client, dict[str, Any]]:
        """Ask for a link for that name, in a browser of its own."""
        client = self.client(**values)
        await client.get()
        return client, await client.answer(uid_field=name)

    async def deliver(self) -> list[EmailMessage]:
        """Send what waits in the outbox, as the task does, and return all that arrived."""
        outbox = self.world.program.service(Outbox)
        for row in await self.world.database.fetch("SELECT id FROM mail"):
            await outbox.send({"mail": row["id"]}, now=self.world.now)
        return self.server.accepted

    async def link(self, name: str = "jo", **values: Any) -> Client:
        """Ask for a link, and return another browser that has opened it."""
        await self.ask(name, **values)
        return self.open(self.address(await self.deliver()))

    def address(self, messages: list[EmailMessage]) -> str:
        body = messages[-1].get_body(("plain",))
        assert body is not None
        found = re.search(r"https?://\S+flow_token=\S+", body.get_content())
        assert found, body.get_content()
        return found.group()

    def open(self, address: str, slug: str = SLUG) -> Client:
        return Client(self.world, slug=slug, query=urlsplit(address).query)

    async def waiting(self) -> int:
        """How many messages wait to be sent."""
        tasks = await self.world.database.fetch("SELECT id FROM task WHERE name = ?", JOB)
        mails = await self.world.database.fetch("SELECT id FROM mail")
        assert len(tasks) >= len(mails)
        return len(mails)


def make_recovery(world: World, server: MailServer, **email: Any) -> Recovery:
    identify = IdentificationStage(pk=pk(), name="recovery-identify", user_fields=("email", "username"))
    settings = {"host": ADDRESS, "port": server.port, "timeout": 60, "from_address": "door@house.example", **email}
    mail = EmailStage(pk=pk(), name="recovery-email", **settings)
    fields = [
        Prompt(pk=pk(), name=f"recovery-{key}", field_key=key, label=key, type="password", required=True, order=order)
        for order, key in enumerate(("password", "password_repeat"))
    ]
    prompt = PromptStage(pk=pk(), name="recovery-prompt", fields=tuple(str(one.pk) for one in fields))
    stages: list[Stage] = [
        identify,
        mail,
        prompt,
        UserWriteStage(pk=pk(), name="recovery-write", user_creation_mode="never_create"),
        AuthenticatorValidateStage(pk=pk(), name="recovery-mfa"),
        UserLoginStage(pk=pk(), name="recovery-login"),
    ]
    world.change(*fields)
    flow = world.flow(SLUG, stages, designation="recovery", title="Choose a new password")
    return Recovery(world, server, flow, identify, mail)


async def choose(client: Client, password: str = NEW_PASSWORD) -> dict[str, Any]:
    """Go through with the link that this browser has opened."""
    assert (await client.get())["component"] == MAIL_PAGE
    assert (await client.answer())["component"] == "ak-stage-prompt"
    return await client.answer(password=password, password_repeat=password)


async def signs_in(world: World, name: str, password: str) -> bool:
    user = await world.users.by_username(name)
    assert user is not None
    return (await world.services.passwords.verify(Secret(password), user.password)).ok


__all__ = ["MAIL_PAGE", "MINUTE", "NEW_PASSWORD", "PASSWORD", "SLUG", "Recovery", "choose", "make_recovery", "signs_in"]
