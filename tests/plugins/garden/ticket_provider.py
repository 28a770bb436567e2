"""A provider of another package: an application that is sent tickets."""

from __future__ import annotations

from typing import Annotated

from ostiary.applications.provider import PROVIDER, SignOnProvider
from ostiary.resource import Help, Length, Numbering, kind


@kind(
    "garden.ticketprovider",
    verbose_name="Ticket Provider",
    component="ak-provider-ticket-form",
    routes="providers/ticket",
    numbering=Numbering.INTEGER,
    families=(PROVIDER,),
)
class TicketProvider(SignOnProvider):
    """One application that is sent tickets."""

    address: Annotated[str, Length(least=1), Help("Where tickets are sent.")]

    def launch_url(self) -> str | None:
        """Return the address itself: without a ticket the application asks for one."""
        return self.address
