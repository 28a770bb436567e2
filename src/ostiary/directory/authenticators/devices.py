"""The devices of users, of every registered kind.

A proof is accepted once, and failures throttle the device: for 1, 2, 4... seconds, at most ten minutes. Both rules are
enforced by one guarded statement, so that concurrent requests cannot bypass them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeVar, cast

from ostiary.directory.authenticators.authenticator import Authenticator
from ostiary.directory.authenticators.device import Attempt, Device
from ostiary.directory.errors import Throttled
from ostiary.directory.users import end_proofs
from ostiary.events.event import event
from ostiary.seal.envelope import Sealer
from ostiary.store.database import Batch, Database, Row, Statement, Value
from ostiary.store.workspace.commit import run

if TYPE_CHECKING:
    from ostiary.directory.user import User

SECOND: Final = 1_000_000
MAX_DELAY: Final = 600 * SECOND  # microseconds

SKEW: Final = 60 * SECOND  # between the clocks of several servers
FREE: Final = f"(locked_until <= ? OR locked_until > CAST(? AS BIGINT) + {MAX_DELAY + SKEW})"
"""The SQL condition for a device that is not throttled. Its two parameters are both the time."""

_COMMON: Final = "pk, uuid, user_pk, name, confirmed, locked_until, created, last_updated, last_used"
_NEXT_DELAY: Final = (
    f"CASE WHEN delay = 0 THEN {SECOND} WHEN delay * 2 > {MAX_DELAY} THEN {MAX_DELAY} ELSE delay * 2 END"
)

A = TypeVar("A", bound=Authenticator)


class Devices:
    """The devices of one database, of these kinds. Raises ValueError for two kinds with one device class."""

    def __init__(self, database: Database, sealer: Sealer, kinds: Iterable[type[Authenticator]]) -> None:
        self._database = database
        authenticators = [kind(sealer) for kind in kinds]
        self.kinds: Mapping[str, Authenticator] = {kind.DEVICE_CLASS: kind for kind in authenticators}
        """The kinds by device class, in the order of their offer to users."""
        if len(self.kinds) != len(authenticators):
            raise ValueError("two kinds of authenticator have the same device class")
        self.listing = listing(authenticators)

    async def of_user(self, user: int) -> list[Device]:
        """Return all devices of a user, including unconfirmed ones. One query."""
        rows = await self._database.fetch(self.listing, *[user] * len(self.kinds)) if self.kinds else ()
        return sorted((self._device(row) for row in rows), key=lambda device: (device.device_class, device.pk))

    async def confirmed(self, user: int, classes: Collection[str] | None = None) -> list[Device]:
        """Return the confirmed devices of a user, optionally of certain device classes."""
        return [
            one
            for one in await self.of_user(user)
            if one.confirmed and (classes is None or one.device_class in classes)
        ]

    def kind(self, authenticator: type[A]) -> A:
        """Return the instance of a kind. Raises LookupError if it is not registered."""
        return cast("A", self.kinds[authenticator.DEVICE_CLASS])

    def kind_of(self, device: Device) -> Authenticator:
        """Return the kind of a device."""
        return self.kinds[device.device_class]

    async def verify(self, user: int, attempt: Attempt, *, classes: Collection[str] | None = None) -> Device | None:
        """Verify a proof and mark it as used. Returns its device, or None for a wrong or used proof.

        Every device of these classes that accepts such a proof is tried. Raises Throttled while all of them are
        throttled, even for a right proof, and ProofRefused.
        """
        return await self.verify_with(await self.confirmed(user, classes), attempt)

    async def owned_by(self, device_class: str, attempt: Attempt) -> Device | None:
        """Return the confirmed device that a proof names, of a user who is not known yet. One query."""
        kind = self.kinds.get(device_class)
        named = kind.owned_by(attempt) if kind is not None and kind.is_proof(attempt) else None
        if kind is None or named is None:
            return None
        rows = await self._database.fetch(listing([kind], where=named[0]), named[1])
        return next((device for device in map(self._device, rows) if device.confirmed), None)

    async def verify_with(self, candidates: Sequence[Device], attempt: Attempt) -> Device | None:
        """Verify a proof as `verify` does, by one of these confirmed devices of one user."""
        devices = [one for one in candidates if self.kind_of(one).is_proof(attempt)]
        now = attempt.now
        # A wait above the maximum was set by a wrong clock, and is ignored.
        unlocked = [one for one in devices if not self._is_locked(one, now)]
        if devices and not unlocked:
            raise Throttled(_seconds(min(one.locked_until for one in devices) - now))
        proofs = [(one, await self.kind_of(one).verify(one, attempt)) for one in unlocked]
        return await self._database.write(lambda: self._decide(proofs, now))

    async def rename(self, user: int, device: Device, name: str, *, now: int) -> bool:
        """Rename a device of a user. Returns False if it no longer exists."""
        return await self._database.write(
            lambda: _count(
                Statement(
                    f"UPDATE {self.kind_of(device).TABLE} SET name = ?, last_updated = ? WHERE pk = ? AND user_pk = ?",
                    (name, now, device.pk, user),
                )
            )
        )

    async def delete(self, user: int, device: Device, *, audit_event: Statement) -> bool:
        """Delete a device of a user, and write the caller's event. Returns False if it no longer exists."""
        return await self._database.write(lambda: self._deleting(user, device, audit_event))

    def delete_of_user(self, user: int) -> Iterable[Statement]:
        """Return the statements that delete every device of a user. A hook of `directory.rows.backend`."""
        for kind in self.kinds.values():
            yield from kind.deletion(user)
            yield Statement(f"DELETE FROM {kind.TABLE} WHERE user_pk = ?", (user,))

    def _decide(self, proofs: Sequence[tuple[Device, Sequence[Statement]]], now: int) -> Batch[Device | None]:
        for device, statements in proofs:
            if not statements:
                continue
            first, *others = statements
            result = yield first
            if result.count == 1:
                yield from run(others)
                yield from self._forgive(device.user)
                return device
        for device, _ in proofs:
            if self.kind_of(device).GUESSABLE:
                yield self._fail(device, now)
        return None

    def _is_locked(self, device: Device, now: int) -> bool:
        return self.kind_of(device).GUESSABLE and now < device.locked_until <= now + MAX_DELAY + SKEW

    def _forgive(self, user: int) -> Batch[None]:
        # A wrong proof counts as a failure of every device it might belong to, so a right one resets them all.
        for kind in (one for one in self.kinds.values() if one.GUESSABLE):
            yield Statement(
                f"UPDATE {kind.TABLE} SET failures = 0, delay = 0, locked_until = 0 WHERE user_pk = ? AND failures > 0",
                (user,),
            )

    def _fail(self, device: Device, now: int) -> Statement:
        # A locked device counts nothing: there is one guess per delay, however many are sent at once.
        # guard: A34 one guess per delay is verified
        return Statement(
            f"UPDATE {self.kind_of(device).TABLE} SET failures = failures + 1, delay = {_NEXT_DELAY},"
            f" locked_until = CAST(? AS BIGINT) + {_NEXT_DELAY} WHERE pk = ? AND {FREE}",
            (now, device.pk, now, now),
        )

    def _deleting(self, user: int, device: Device, audit_event: Statement) -> Batch[bool]:
        kind = self.kind_of(device)
        yield from kind.deletion(user, device)
        result = yield Statement(f"DELETE FROM {kind.TABLE} WHERE pk = ? AND user_pk = ?", (device.pk, user))
        if result.count == 1:
            yield end_proofs(user)
            yield audit_event
        return result.count == 1

    def _device(self, row: Row) -> Device:
        kind = self.kinds[cast("str", row["class"])]
        own = {name: row[_own_column(kind, name)] for name in kind.COLUMNS}
        return Device(
            device_class=kind.DEVICE_CLASS,
            model=kind.MODEL,
            pk=cast("int", row["pk"]),
            uuid=cast("str", row["uuid"]),
            user=cast("int", row["user_pk"]),
            name=cast("str", row["name"]),
            confirmed=bool(row["confirmed"]),
            locked_until=cast("int", row["locked_until"]),
            created=cast("int", row["created"]),
            last_updated=cast("int", row["last_updated"]),
            last_used=cast("int | None", row["last_used"]),
            own=cast("Mapping[str, Value]", own),
        )


def removal_event(
    device: Device, *, user: User, who: Mapping[str, object], client_ip: str | None, now: int
) -> Statement:
    """Return the event of a removed device of a user, by `who`."""
    app, _, model_name = device.model.partition(".")
    model = {"app": app, "model_name": model_name, "name": device.name, "pk": str(device.pk)}
    return event(
        "model_deleted",
        user=who,
        app="authentik.events.signals",
        context={"model": model, "username": user.username},
        client_ip=client_ip,
        now=now,
    )


def listing(kinds: Sequence[Authenticator], *, where: str = "user_pk") -> str:
    """Return the query for all devices of a user, or with a value in a column. Its parameters are one for each kind."""
    parts = []
    for kind in kinds:
        columns = [f"'{kind.DEVICE_CLASS}' AS class", _COMMON]
        for other in kinds:
            for name, column_type in other.COLUMNS.items():
                value = name if other is kind else f"CAST(NULL AS {column_type})"
                columns.append(f"{value} AS {_own_column(other, name)}")
        parts.append(f"SELECT {', '.join(columns)} FROM {kind.TABLE} WHERE {where} = ?")
    return " UNION ALL ".join(parts)


def _own_column(kind: Authenticator, name: str) -> str:
    return f"{kind.DEVICE_CLASS.replace('.', '_')}_{name}"


def _count(statement: Statement) -> Batch[bool]:
    result = yield statement
    return result.count == 1


def _seconds(microseconds: int) -> int:
    return max(1, -(-microseconds // SECOND))
