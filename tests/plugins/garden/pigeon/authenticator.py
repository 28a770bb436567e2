"""A carrier pigeon as a device: it flies when it is chosen, and who has its letter has the pigeon."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from ostiary.directory.authenticators.authenticator import Authenticator, Wording
from ostiary.directory.authenticators.device import Attempt, Device, DeviceChallenge
from ostiary.directory.authenticators.devices import FREE
from ostiary.store.database import Statement
from ostiary.store.migrations import Migration

MIGRATIONS: Final = (
    Migration(
        number=900,
        room="garden",
        title="pigeons",
        statements=(
            """CREATE TABLE garden_pigeon (
                pk {identity},
                uuid {text} NOT NULL UNIQUE,
                user_pk {int} NOT NULL,
                name {text} NOT NULL,
                confirmed {int} NOT NULL,
                colour {text} NOT NULL,
                failures {int} NOT NULL,
                delay {int} NOT NULL,
                locked_until {int} NOT NULL,
                created {int} NOT NULL,
                last_updated {int} NOT NULL,
                last_used {int}
            )""",
        ),
    ),
)


class PigeonAuthenticator(Authenticator):
    """Letters that arrived are in `LOFT`."""

    LOFT: ClassVar[list[str]] = []

    DEVICE_CLASS = "garden.pigeon"
    MODEL = "garden.pigeon"
    TABLE = "garden_pigeon"
    COLUMNS: ClassVar = {"colour": "TEXT"}
    WORDING = Wording(name="Carrier pigeon", label="Letter", instruction="Wait for it.", link="Send a pigeon")
    TEMPLATE = "pigeon_method.html"

    def add(self, *, user: int, name: str, colour: str, now: int) -> Statement:
        return Statement(
            "INSERT INTO garden_pigeon (uuid, user_pk, name, confirmed, colour, failures, delay, locked_until, created,"
            " last_updated) VALUES (?, ?, ?, 1, ?, 0, 0, 0, ?, ?)",
            (str(uuid.uuid4()), user, name, colour, now, now),
        )

    async def challenge(self, devices: Sequence[Device], attempt: Attempt) -> DeviceChallenge:
        return DeviceChallenge({"colour": devices[0].own["colour"]}, attempt.state_of(self.DEVICE_CLASS))

    async def select(self, device: Device, attempt: Attempt) -> Mapping[str, object]:
        del device, attempt
        letter = secrets.token_hex(4)
        self.LOFT.append(letter)
        return {"letter": letter}

    def is_proof(self, attempt: Attempt) -> bool:
        return bool(attempt.text("letter"))

    async def verify(self, device: Device, attempt: Attempt) -> Sequence[Statement]:
        letter = attempt.state_of(self.DEVICE_CLASS).get("letter")
        if not isinstance(letter, str) or not secrets.compare_digest(letter, attempt.text("letter")):
            return ()
        now = attempt.now
        return (
            Statement(f"UPDATE garden_pigeon SET last_used = ? WHERE pk = ? AND {FREE}", (now, device.pk, now, now)),
        )
