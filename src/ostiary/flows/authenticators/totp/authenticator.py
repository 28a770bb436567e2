"""An authenticator app as a device: its key and its codes (RFC 6238)."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from typing import ClassVar, Final, cast

from ostiary.directory.authenticators.authenticator import Authenticator, Wording
from ostiary.directory.authenticators.device import Attempt, Device
from ostiary.directory.authenticators.devices import FREE
from ostiary.proto import totp
from ostiary.seal import Secret
from ostiary.store.database import Statement
from ostiary.web.language import translatable

AHEAD: Final = 20  # steps; a code used further ahead was used while the clock was wrong


class TotpAuthenticator(Authenticator):
    """Codes that an app computes from a key and the time."""

    DEVICE_CLASS = "totp"
    MODEL = "authentik_stages_authenticator_totp.totpdevice"
    TABLE = "directory_totp"
    COLUMNS: ClassVar = {
        "key_sealed": "TEXT",
        "digits": "BIGINT",
        "step": "BIGINT",
        "t0": "BIGINT",
        "tolerance": "BIGINT",
        "drift": "BIGINT",
        "last_t": "BIGINT",
    }
    WORDING = Wording(
        name=translatable("Authenticator app"),
        label=translatable("Code"),
        instruction=translatable("Enter the code your authenticator app shows."),
        link=translatable("Use an authenticator app"),
    )
    NUMERIC = True

    def new_key(self) -> Secret:
        """Return a new key in hex, which stays in the plan until it is confirmed."""
        return Secret(secrets.token_hex(totp.KEY_BYTES))

    def add(
        self, *, user: int, name: str, key: Secret, now: int, digits: int = 6, used: int | None = None
    ) -> Statement:
        """Return the statement that stores a confirmed key (hex). `used` is the counter that confirmed it."""
        identity = str(uuid.uuid4())
        sealed = self.sealer.seal(bytes.fromhex(key.reveal()), context=_context(identity))
        return Statement(
            "INSERT INTO directory_totp (uuid, user_pk, name, confirmed, key_sealed, digits, step, t0, tolerance,"
            " drift, last_t, failures, delay, locked_until, created, last_updated, last_used)"
            " VALUES (?, ?, ?, 1, ?, ?, 30, 0, 1, 0, ?, 0, 0, 0, ?, ?, CAST(? AS BIGINT))",
            (
                identity,
                user,
                name,
                sealed,
                digits,
                -1 if used is None else used,
                now,
                now,
                None if used is None else now,
            ),
        )

    async def verify(self, device: Device, attempt: Attempt) -> Sequence[Statement]:
        """Compare the code with those of the adjacent time steps. Each code is accepted once."""
        counter = self._match(device, attempt)
        if counter is None:
            return ()
        # guard: A34 a one-time code is accepted once
        return (
            Statement(
                "UPDATE directory_totp SET last_t = ?, last_used = ?"
                f" WHERE pk = ? AND (last_t < ? OR last_t > ?) AND {FREE}",
                (counter, attempt.now, device.pk, counter, counter + AHEAD, attempt.now, attempt.now),
            ),
        )

    def _match(self, device: Device, attempt: Attempt) -> int | None:
        own = device.own
        return totp.match(
            self.sealer.open(cast("str", own["key_sealed"]), context=_context(device.uuid)),
            attempt.code,
            now=attempt.now,
            digits=cast("int", own["digits"]),
            step=cast("int", own["step"]),
            t0=cast("int", own["t0"]),
            tolerance=cast("int", own["tolerance"]),
            drift=cast("int", own["drift"]),
        )


def _context(identity: str) -> str:
    return f"directory_totp/{identity}/key"
