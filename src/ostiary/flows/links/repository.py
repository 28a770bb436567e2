"""The repository of links by mail: by the hash of the key, with the sealed plan that the link continues.

A row is kept for a day after its link expires, so that used, expired and unknown links have different messages.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Final, Literal, cast

from ostiary.flows.errors import PlanChanged
from ostiary.flows.plans.plan import Plan
from ostiary.record import dataclass
from ostiary.resource import codec
from ostiary.seal import Secret
from ostiary.store.database import Database, Guard, Statement, fetch_one
from ostiary.store.hashing import token_hash
from ostiary.store.sweeping import expired

if TYPE_CHECKING:
    from ostiary.seal.envelope import Sealer

RESUME: Final = "flows.resume"
"""The name of the stage that asks before a link is used, see `stages.resume`."""
IS_RESTORED: Final = "is_restored"
"""Key of the context of a restored plan: {"user": the recipient's primary key, None without an account}."""
REMEMBERED: Final = 86_400_000_000  # microseconds that a row outlives its link

log: Final = logging.getLogger("ostiary.flows")
_KEY_OCTETS: Final = 45  # 60 characters of base64url


class FlowLink(codec.Record, frozen=True):
    """The plan and the recipient of a link.

    `stamp` of the account (`directory.user.User.stamp`) and `address` are those when the link was sent. `user` is None
    if there is no account yet. `activates` says that the account may be inactive.
    """

    plan: Plan
    user: int | None
    stamp: str
    address: str
    activates: bool = False


@dataclass(frozen=True, slots=True)
class FoundLink:
    """The state of a link. `link` is set if it is valid."""

    state: Literal["valid", "used", "expired", "unknown"]
    link: FlowLink | None = None


class FlowLinks:
    """The repository of links."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def count(self, address: str, *, since: int) -> int:
        """Return the number of links sent to an address since then."""
        sql = "SELECT COUNT(*) AS sent FROM flow_link WHERE recipient = ? AND created > ?"
        row = await fetch_one(self._database, sql, _recipient(address), since)
        return 0 if row is None else cast("int", row["sent"])

    def put(self, key: Secret, link: FlowLink, *, slug: str, now: int, expires: int) -> Statement:
        """Return the statement that stores a new link of the flow of that slug."""
        digest = token_hash(key.reveal())
        body = self._sealer.seal(_write(link), context=_context(digest))
        return Statement(
            "INSERT INTO flow_link (key_hash, slug, recipient, created, expires, used, body)"
            " VALUES (?, ?, ?, ?, ?, NULL, ?)",
            (digest, slug, _recipient(link.address), now, expires, body),
        )

    async def read(self, key: Secret, slug: str, *, now: int) -> FoundLink:
        """Return the state of a link of the flow with that slug. One that cannot be decrypted counts as unknown."""
        digest = token_hash(key.reveal())
        row = await fetch_one(
            self._database, "SELECT slug, expires, used, body FROM flow_link WHERE key_hash = ?", digest
        )
        # guard: A37 a link continues only the flow that it was sent for
        if row is None or row["slug"] != slug:
            return FoundLink("unknown")
        if row["used"] is not None:
            return FoundLink("used")
        # guard: A31 a link by mail ends in time
        if cast("int", row["expires"]) <= now:
            return FoundLink("expired")
        try:
            found = _read(self._sealer.open(cast("str", row["body"]), context=_context(digest)))
            return FoundLink("valid", codec.changed(found, plan=found.plan.unmarked()))
        except Exception as error:  # noqa: BLE001 - other key, other version of the program: a new one is asked for
            log.warning("a link of flow %s cannot be read (%s)", slug, type(error).__name__)
            return FoundLink("unknown")


def new_key() -> Secret:
    """Return the key of a new link."""
    return Secret(secrets.token_urlsafe(_KEY_OCTETS))


def use(key: Secret, *, now: int) -> Statement:
    """Return the statement that consumes a link. Fails the batch with PlanChanged if another browser was first."""
    # guard: A31 a link by mail works once
    return Statement(
        "UPDATE flow_link SET used = ? WHERE key_hash = ? AND used IS NULL",
        (now, token_hash(key.reveal())),
        guard=Guard(PlanChanged),
    )


def sweep(now: int) -> Statement:
    """Return the statement that deletes old links."""
    return expired("flow_link", "key_hash", now - REMEMBERED)


_read: Final = codec.reader(FlowLink)


def _write(link: FlowLink) -> bytes:
    return codec.encode(codec.changed(link, plan=link.plan.marked()))


def _recipient(address: str) -> bytes:
    return token_hash(address.casefold())


def _context(digest: bytes) -> str:
    return f"flow_link/{digest.hex()}/body"
