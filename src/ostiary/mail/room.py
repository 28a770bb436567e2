"""The registration of this room with the application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.mail import tables
from ostiary.mail.outbox import ATTEMPTS, JOB, Outbox
from ostiary.mail.smtp import SmtpClient
from ostiary.room import MINUTE, Job, Measure, Room, Service, by_one_label
from ostiary.seal.envelope import Sealer
from ostiary.settings import Settings

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry


def client(services: ServiceRegistry) -> SmtpClient:
    """Return the client of the server in the settings."""
    return SmtpClient(services[Settings].email)


def outbox(services: ServiceRegistry) -> Outbox:
    """Return the outbox of this installation."""
    return Outbox(services.database, services[Sealer], services[SmtpClient])


def jobs(services: ServiceRegistry) -> tuple[Job]:
    """Return the job that sends one message."""
    summary = "Sends one message to the mail server; it is deleted when the server has accepted it"
    return (Job(JOB, services[Outbox].send, summary, limit=5 * MINUTE, attempts=ATTEMPTS),)


def measures(services: ServiceRegistry) -> tuple[Measure]:
    """Return the attempts to send messages by result."""
    counts = services[Outbox].counts
    return (
        Measure(
            name="ostiary_mails",
            summary="Attempts to send a message: sent, failed (tried again), refused by the mail server.",
            kind="counter",
            labels=("result",),
            read=lambda: by_one_label(counts),
        ),
    )


ROOM: Final = Room(
    name="mail",
    migrations=tables.MIGRATIONS,
    sweeps=(tables.sweep,),
    services=(Service(SmtpClient, client), Service(Outbox, outbox)),
    jobs=jobs,
    measures=measures,
)
