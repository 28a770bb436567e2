"""The codes: 125 random bits each, of which the database has a hash alone."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Final, cast

from ostiary.events.event import event
from ostiary.record import dataclass
from ostiary.seal import Secret
from ostiary.store.database import Batch, Database, Guard, Statement
from ostiary.store.migrations import Migration
from ostiary.store.sweeping import bite

if TYPE_CHECKING:
    from ostiary.directory.user import User

CREATED: Final = "custom_break_glass_created"
USED: Final = "custom_break_glass_used"
REVOKED: Final = "custom_break_glass_revoked"

_ALPHABET: Final = "ABCDEFGHJKMNPQRSTVWXYZ0123456789"  # without I, L, O and U, which are read as others
_GROUPS: Final = 5
_GROUP: Final = 5  # characters
_MISREAD: Final = str.maketrans("ILO", "110")

MIGRATIONS: Final = (
    Migration(
        number=120,
        room="signon",
        title="break-glass codes",
        statements=(
            # `code_hash` is a SHA-256 digest: a code has 125 random bits.
            """CREATE TABLE signon_break_glass (
                code_hash {blob} PRIMARY KEY,
                user_pk {int} NOT NULL,
                created {int} NOT NULL
            )""",
            "CREATE INDEX signon_break_glass_user ON signon_break_glass (user_pk)",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class CodesLeft:
    """How many unused codes a user has, and when the oldest was made (microseconds UTC)."""

    username: str
    number: int
    created: int


def new_code() -> Secret:
    """Return a code of five groups of five characters."""
    letters = [secrets.choice(_ALPHABET) for _ in range(_GROUPS * _GROUP)]
    return Secret("-".join("".join(letters[at : at + _GROUP]) for at in range(0, len(letters), _GROUP)))


def code_hash(text: str) -> bytes:
    """Return the hash of a code as somebody typed it: in any case, with or without spaces and dashes."""
    plain = "".join(text.upper().translate(_MISREAD).replace("-", "").split())
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()


class BreakGlassCodes:
    """The codes of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, user: User, number: int, *, now: int) -> list[Secret]:
        """Make codes for a user, in place of the unused ones. They are returned once and cannot be read again."""
        codes = [new_code() for _ in range(number)]
        await self._database.write(lambda: _creating(user, codes, now))
        return codes

    async def revoke(self, user: User, *, now: int) -> int:
        """Delete the unused codes of a user, and return their number."""
        return await self._database.write(lambda: _revoking(user, now))

    async def left(self) -> list[CodesLeft]:
        """Return who has unused codes, by name."""
        rows = await self._database.fetch(
            "SELECT u.username AS username, COUNT(*) AS number, MIN(b.created) AS created FROM signon_break_glass AS b"
            " JOIN directory_user AS u ON u.pk = b.user_pk GROUP BY u.username ORDER BY u.username"
        )
        return [CodesLeft(str(row["username"]), int(row["number"]), int(row["created"])) for row in rows]

    async def owner(self, code: Secret) -> int | None:
        """Return the number of the user whose unused code this is."""
        rows = await self._database.fetch(
            "SELECT user_pk FROM signon_break_glass WHERE code_hash = ?", code_hash(code.reveal())
        )
        return int(rows[0]["user_pk"]) if rows else None


def use_up(code: Secret, *, otherwise: type[Exception]) -> Statement:
    """Return the statement that uses a code up. Raises `otherwise` if somebody else was first."""
    return Statement(
        "DELETE FROM signon_break_glass WHERE code_hash = ?", (code_hash(code.reveal()),), guard=Guard(otherwise)
    )


def forget(user: int) -> Statement:
    """Return the statement that deletes the unused codes of a user."""
    return Statement("DELETE FROM signon_break_glass WHERE user_pk = ?", (user,))


def sweep(now: int) -> Statement:
    """Return the statement that deletes the codes of users who were deleted. They open nothing already."""
    del now
    return bite("signon_break_glass", "code_hash", "user_pk NOT IN (SELECT pk FROM directory_user)")


def _creating(user: User, codes: list[Secret], now: int) -> Batch[None]:
    yield forget(user.pk)
    for code in codes:
        yield Statement(
            "INSERT INTO signon_break_glass (code_hash, user_pk, created) VALUES (?, ?, ?)",
            (code_hash(code.reveal()), user.pk, now),
        )
    yield _told(CREATED, user, {"message": "Break-glass codes were made.", "number": len(codes)}, now)


def _revoking(user: User, now: int) -> Batch[int]:
    rows = yield Statement("DELETE FROM signon_break_glass WHERE user_pk = ? RETURNING user_pk", (user.pk,))
    number = len(cast("list[object]", rows))
    if number:
        yield _told(REVOKED, user, {"message": "Break-glass codes were revoked.", "number": number}, now)
    return number


def _told(action: str, user: User, context: dict[str, object], now: int) -> Statement:
    return event(action, user=user.who, app="ostiary.signon", context=context, client_ip=None, now=now)
