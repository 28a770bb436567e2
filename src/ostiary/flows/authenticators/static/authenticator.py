"""Recovery codes as a device. Each is stored as a hash, and valid once."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable, Sequence
from typing import Final

from ostiary.directory.authenticators.authenticator import Authenticator, Wording
from ostiary.directory.authenticators.device import Attempt, Device
from ostiary.directory.authenticators.devices import FREE
from ostiary.seal import Secret
from ostiary.store.database import Statement
from ostiary.store.hashing import token_hash
from ostiary.web.language import translatable

LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without similar characters."""


class StaticAuthenticator(Authenticator):
    """Recovery codes."""

    DEVICE_CLASS = "static"
    MODEL = "authentik_stages_authenticator_static.staticdevice"
    TABLE = "directory_static"
    RESERVE = True
    WORDING = Wording(
        name=translatable("Recovery codes"),
        label=translatable("Recovery code"),
        instruction=translatable("Enter one of your recovery codes."),
        link=translatable("Use a recovery code"),
    )

    def add(self, *, user: int, name: str, codes: Sequence[Secret], now: int) -> list[Statement]:
        """Return the statements that store the hashes of a set of codes."""
        identity = str(uuid.uuid4())
        device = Statement(
            "INSERT INTO directory_static (uuid, user_pk, name, confirmed, failures, delay, locked_until, created,"
            " last_updated) VALUES (?, ?, ?, 1, 0, 0, 0, ?, ?)",
            (identity, user, name, now, now),
        )
        hashes = {token_hash(_plain(code.reveal())) for code in codes}
        return [
            device,
            *(
                Statement("INSERT INTO directory_static_code (device_uuid, hash) VALUES (?, ?)", (identity, hashed))
                for hashed in sorted(hashes)
            ),
        ]

    async def verify(self, device: Device, attempt: Attempt) -> Sequence[Statement]:
        """Consume the code, in any spelling, and record the use of the device."""
        hashed = token_hash(_plain(attempt.code))
        return (
            Statement(
                "DELETE FROM directory_static_code WHERE device_uuid = ? AND hash = ?"
                f" AND EXISTS (SELECT 1 FROM directory_static WHERE uuid = ? AND {FREE})",
                (device.uuid, hashed, device.uuid, attempt.now, attempt.now),
            ),
            Statement("UPDATE directory_static SET last_used = ? WHERE pk = ?", (attempt.now, device.pk)),
        )

    def deletion(self, user: int, device: Device | None = None) -> Iterable[Statement]:
        """Return the statements that delete the codes."""
        owned, bound = ("user_pk = ?", (user,)) if device is None else ("user_pk = ? AND pk = ?", (user, device.pk))
        yield Statement(
            f"DELETE FROM directory_static_code WHERE device_uuid IN (SELECT uuid FROM directory_static WHERE {owned})",
            bound,
        )


def new_code(length: int = 12) -> Secret:
    """Return a random code that people can read and type."""
    return Secret("".join(secrets.choice(LETTERS) for _ in range(length)))


def _plain(code: str) -> str:
    return code.strip().replace(" ", "").replace("-", "").lower()
