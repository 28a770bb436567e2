"""Authenticators: TOTP devices and static codes.

A code is accepted once, and failures throttle the authenticator: 1, 2, 4... seconds, at most ten
minutes. Both hold against concurrent requests, because one guarded statement decides.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Collection, Sequence
from dataclasses import field
from typing import Final, Literal, cast

from ostiary.directory.errors import Throttled
from ostiary.directory.users import end_proofs
from ostiary.proto import totp
from ostiary.record import dataclass
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.store.database import Batch, Database, Row, Statement
from ostiary.store.hashing import token_hash

DeviceClass = Literal["totp", "static"]

SECOND: Final = 1_000_000
DELAY_MOST: Final = 600 * SECOND  # microseconds
CODE_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # no ambiguous letters

SKEW: Final = 60 * SECOND  # clocks of several servers may be apart
AHEAD: Final = 20  # steps; a code used further ahead was used under a wrong clock
_FREE: Final = f"(locked_until <= ? OR locked_until > CAST(? AS BIGINT) + {DELAY_MOST + SKEW})"

_COMMON: Final = "pk, uuid, user_pk, name, confirmed, locked_until, created, last_updated, last_used"
DEVICES: Final = (
    f"SELECT 'totp' AS class, {_COMMON}, key_sealed, digits, step, t0, tolerance, drift, last_t"
    " FROM directory_totp WHERE user_pk = ?"
    f" UNION ALL SELECT 'static', {_COMMON}, '', 0, 0, 0, 0, 0, 0 FROM directory_static WHERE user_pk = ?"
)
_NEXT_DELAY: Final = (
    f"CASE WHEN delay = 0 THEN {SECOND} WHEN delay * 2 > {DELAY_MOST} THEN {DELAY_MOST} ELSE delay * 2 END"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One authenticator. Times are microseconds UTC; the TOTP fields mean nothing for static codes."""

    device_class: DeviceClass
    pk: int
    uuid: str
    user: int
    name: str
    confirmed: bool
    locked_until: int
    created: int
    last_updated: int
    last_used: int | None
    key_sealed: str = field(repr=False, default="")
    digits: int = 6
    step: int = 30
    t0: int = 0
    tolerance: int = 1
    drift: int = 0
    last_t: int = -1

    @property
    def uid(self) -> str:
        """The identifier in challenges: the number as text, as in authentik."""
        return str(self.pk)

    @property
    def model(self) -> str:
        """The model name in authentik."""
        return f"authentik_stages_authenticator_{self.device_class}.{self.device_class}device"


class Devices:
    """The authenticators of one database."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def of_user(self, user: int) -> list[Device]:
        """Return all authenticators of a user, unconfirmed ones too. One query."""
        rows = await self._database.fetch(DEVICES, user, user)
        return sorted((_device(row) for row in rows), key=lambda device: (device.device_class, device.pk))

    async def confirmed(self, user: int, classes: Collection[str] = ("totp", "static")) -> list[Device]:
        """Return the confirmed authenticators of a user, of those classes."""
        return [one for one in await self.of_user(user) if one.confirmed and one.device_class in classes]

    def new_totp_key(self) -> Secret:
        """Return a new TOTP key in hex, which stays in the plan until it is confirmed."""
        return Secret(secrets.token_hex(totp.KEY_BYTES))

    def add_totp(
        self, *, user: int, name: str, key: Secret, now: int, digits: int = 6, used: int | None = None
    ) -> Statement:
        """Return the statement that stores a confirmed TOTP key (hex). `used` is the counter that confirmed it."""
        identity = str(uuid.uuid4())
        sealed = self._sealer.seal(bytes.fromhex(key.reveal()), context=_context(identity))
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

    def add_static(self, *, user: int, name: str, codes: Sequence[Secret], now: int) -> list[Statement]:
        """Return the statements that store a set of static codes, as hashes only: they are shown once, before."""
        identity = str(uuid.uuid4())
        device = Statement(
            "INSERT INTO directory_static (uuid, user_pk, name, confirmed, failures, delay, locked_until, created,"
            " last_updated) VALUES (?, ?, ?, 1, 0, 0, 0, ?, ?)",
            (identity, user, name, now, now),
        )
        hashes = {token_hash(_typed(code.reveal())) for code in codes}
        return [
            device,
            *(
                Statement("INSERT INTO directory_static_code (device_uuid, hash) VALUES (?, ?)", (identity, hashed))
                for hashed in sorted(hashes)
            ),
        ]

    async def verify(
        self, user: int, code: str, *, now: int, classes: Collection[str] = ("totp", "static")
    ) -> Device | None:
        """Verify and consume a code, and return its authenticator; None when the code is wrong or was used.

        Raises Throttled while all authenticators in question are throttled, whatever the code.
        """
        devices = await self.confirmed(user, classes)
        # A wait longer than the longest was set by a wrong clock, and is ignored.
        ready = [one for one in devices if not now < one.locked_until <= now + DELAY_MOST + SKEW]
        if devices and not ready:
            raise Throttled(_seconds(min(one.locked_until for one in devices) - now))
        matches = {one.pk: counter for one in ready if (counter := self._match(one, code, now)) is not None}
        hashed = token_hash(_typed(code))
        return await self._database.write(lambda: _decide(ready, matches, hashed, now))

    async def rename(self, user: int, device: Device, name: str, *, now: int) -> bool:
        """Rename an authenticator of that user."""
        table = _TABLES[device.device_class]
        return await self._database.write(
            lambda: _count(
                Statement(
                    f"UPDATE {table} SET name = ?, last_updated = ? WHERE pk = ? AND user_pk = ?",
                    (name, now, device.pk, user),
                )
            )
        )

    async def delete(self, user: int, device: Device, *, audit_event: Statement) -> bool:
        """Delete an authenticator of that user, with the caller's event. False when it no longer exists."""
        return await self._database.write(lambda: _deleting(user, device, audit_event))

    def _match(self, device: Device, code: str, now: int) -> int | None:
        if device.device_class != "totp":
            return None
        return totp.match(
            self._sealer.open(device.key_sealed, context=_context(device.uuid)),
            code,
            now=now,
            digits=device.digits,
            step=device.step,
            t0=device.t0,
            tolerance=device.tolerance,
            drift=device.drift,
        )


def new_static_code(length: int = 12) -> Secret:
    """Return a random static code that people can read and type."""
    return Secret("".join(secrets.choice(CODE_LETTERS) for _ in range(length)))


def delete_of_user(user: int) -> list[Statement]:
    """Return the statements that delete every authenticator of a user."""
    return [
        Statement(
            "DELETE FROM directory_static_code WHERE device_uuid IN"
            " (SELECT uuid FROM directory_static WHERE user_pk = ?)",
            (user,),
        ),
        Statement("DELETE FROM directory_static WHERE user_pk = ?", (user,)),
        Statement("DELETE FROM directory_totp WHERE user_pk = ?", (user,)),
    ]


_TABLES: Final = {"totp": "directory_totp", "static": "directory_static"}


def _decide(ready: Sequence[Device], matches: dict[int, int], hashed: bytes, now: int) -> Batch[Device | None]:
    for device in ready:
        if device.device_class == "totp" and device.pk in matches:
            result = yield _accept_totp(device, matches[device.pk], now)
            if result.count == 1:
                yield from _forgive(device.user)
                return device
        if device.device_class == "static":
            result = yield _spend_static(device, hashed, now)
            if result.count == 1:
                yield _used(device, now)
                yield from _forgive(device.user)
                return device
    for device in ready:
        yield _fail(device, now)
    return None


def _accept_totp(device: Device, counter: int, now: int) -> Statement:
    return Statement(
        f"UPDATE directory_totp SET last_t = ?, last_used = ? WHERE pk = ? AND (last_t < ? OR last_t > ?) AND {_FREE}",
        (counter, now, device.pk, counter, counter + AHEAD, now, now),
    )


def _spend_static(device: Device, hashed: bytes, now: int) -> Statement:
    return Statement(
        "DELETE FROM directory_static_code WHERE device_uuid = ? AND hash = ?"
        f" AND EXISTS (SELECT 1 FROM directory_static WHERE uuid = ? AND {_FREE})",
        (device.uuid, hashed, device.uuid, now, now),
    )


def _used(device: Device, now: int) -> Statement:
    return Statement("UPDATE directory_static SET last_used = ? WHERE pk = ?", (now, device.pk))


def _forgive(user: int) -> Batch[None]:
    # A wrong code counts against every authenticator it might belong to, so a right one resets them all.
    for table in _TABLES.values():
        yield Statement(
            f"UPDATE {table} SET failures = 0, delay = 0, locked_until = 0 WHERE user_pk = ? AND failures > 0", (user,)
        )


def _fail(device: Device, now: int) -> Statement:
    # While locked nothing is counted: one guess per delay, however many are sent at once.
    return Statement(
        f"UPDATE {_TABLES[device.device_class]} SET failures = failures + 1, delay = {_NEXT_DELAY},"
        f" locked_until = CAST(? AS BIGINT) + {_NEXT_DELAY} WHERE pk = ? AND {_FREE}",
        (now, device.pk, now, now),
    )


def _deleting(user: int, device: Device, audit_event: Statement) -> Batch[bool]:
    if device.device_class == "static":
        yield Statement(
            "DELETE FROM directory_static_code WHERE device_uuid = (SELECT uuid FROM directory_static"
            " WHERE pk = ? AND user_pk = ?)",
            (device.pk, user),
        )
    result = yield Statement(
        f"DELETE FROM {_TABLES[device.device_class]} WHERE pk = ? AND user_pk = ?", (device.pk, user)
    )
    if result.count == 1:
        yield end_proofs(user)
        yield audit_event
    return result.count == 1


def _count(statement: Statement) -> Batch[bool]:
    result = yield statement
    return result.count == 1


def _device(row: Row) -> Device:
    return Device(
        device_class=cast("DeviceClass", row["class"]),
        pk=cast("int", row["pk"]),
        uuid=cast("str", row["uuid"]),
        user=cast("int", row["user_pk"]),
        name=cast("str", row["name"]),
        confirmed=bool(row["confirmed"]),
        locked_until=cast("int", row["locked_until"]),
        created=cast("int", row["created"]),
        last_updated=cast("int", row["last_updated"]),
        last_used=cast("int | None", row["last_used"]),
        key_sealed=cast("str", row["key_sealed"]),
        digits=cast("int", row["digits"]),
        step=cast("int", row["step"]),
        t0=cast("int", row["t0"]),
        tolerance=cast("int", row["tolerance"]),
        drift=cast("int", row["drift"]),
        last_t=cast("int", row["last_t"]),
    )


def _typed(code: str) -> str:
    return code.strip().replace(" ", "").replace("-", "").lower()


def _seconds(microseconds: int) -> int:
    return max(1, -(-microseconds // SECOND))


def _context(identity: str) -> str:
    return f"directory_totp/{identity}/key"
