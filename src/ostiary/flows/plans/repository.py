"""The repository of plans and completions. Plans are sealed, and keyed by session, flow and destination.

So two tabs of one browser with different destinations have separate plans.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, cast

from ostiary.flows.errors import PlanChanged
from ostiary.flows.plans.plan import Plan, load_plan
from ostiary.store.database import Batch, Database, Guard, Row, Statement, fetch_one
from ostiary.store.sweeping import expired

if TYPE_CHECKING:
    from ostiary.seal.envelope import Sealer

log: Final = logging.getLogger("ostiary.flows")

PLAN_LIFETIME: Final = 4 * 3_600_000_000  # microseconds since the last step
MAX_PLANS: Final = 32
"""The maximum number of plans of a session besides a new one. The oldest are deleted, as anybody can start plans."""
COMPLETION_LIFETIME: Final = 10 * 60_000_000  # microseconds


class Plans:
    """The repository of plans."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def read(self, session: bytes, slug: str, destination: str, *, now: int) -> Plan | None:
        """Return the plan of a session for a flow and a destination; None also if it cannot be decrypted."""
        # guard: A30 a tab continues only the plan of its own destination
        row = await fetch_one(
            self._database,
            "SELECT id, destination, version, body FROM flow_tab_plan"
            " WHERE session = ? AND slug = ? AND destination = ? AND expires > ?",
            session,
            slug,
            destination,
            now,
        )
        return None if row is None else self._opened(row, slug)

    async def latest(self, session: bytes, slug: str, *, now: int) -> Plan | None:
        """Return the plan of a session for a flow that was used last, for any destination."""
        row = await fetch_one(
            self._database,
            "SELECT id, destination, version, body FROM flow_tab_plan WHERE session = ? AND slug = ? AND expires > ?"
            " ORDER BY expires DESC LIMIT 1",
            session,
            slug,
            now,
        )
        return None if row is None else self._opened(row, slug)

    async def leading_to(self, session: bytes, destination: str, *, now: int) -> Sequence[Plan]:
        """Return the plans of a session for a destination, of all flows."""
        rows = await self._database.fetch(
            "SELECT id, slug, destination, version, body FROM flow_tab_plan"
            " WHERE session = ? AND destination = ? AND expires > ?",
            session,
            destination,
            now,
        )
        plans = [self._opened(row, cast("str", row["slug"])) for row in rows]
        return [plan for plan in plans if plan is not None]

    def _opened(self, row: Row, slug: str) -> Plan | None:
        plan_id, version = cast("str", row["id"]), cast("int", row["version"])
        # guard: A49 an unreadable plan starts the flow again
        try:
            data = self._sealer.open(cast("str", row["body"]), context=_context(plan_id))
            destination = cast("str", row["destination"])
            return load_plan(data, plan_id=plan_id, slug=slug, destination=destination, version=version)
        except Exception as error:  # noqa: BLE001 - another key or program version: the flow starts again
            log.warning("a plan of flow %s cannot be read (%s), and is begun again", slug, type(error).__name__)
            return None

    def put(self, session: bytes, plan: Plan, *, now: int) -> Statement:
        """Store a plan. It replaces that of the session for the flow and destination."""
        return Statement(
            "INSERT INTO flow_tab_plan (session, slug, destination, id, version, body, expires)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (session, slug, destination) DO UPDATE SET id = excluded.id, version = excluded.version,"
            " body = excluded.body, expires = excluded.expires",
            (session, plan.slug, plan.destination, plan.id, plan.version, self._seal(plan), now + PLAN_LIFETIME),
        )

    def save(self, plan: Plan, *, now: int) -> Statement:
        """Store a changed plan. Fails the batch with PlanChanged if the stored version is another one.

        It selects by the plan's id alone, so that it may follow the statements that move a session to a new id.
        """
        # guard: A30 of two concurrent responses to a stage, one is accepted
        return Statement(
            "UPDATE flow_tab_plan SET version = version + 1, body = ?, expires = ? WHERE id = ? AND version = ?",
            (self._seal(plan), now + PLAN_LIFETIME, plan.id, plan.version),
            guard=Guard(PlanChanged),
        )

    def proof(self, session: bytes, completion: str, *, now: int) -> Statement:
        """Store the completion of a flow with that key, for `completed`."""
        return Statement(
            "INSERT INTO flow_completion (session, completion, expires) VALUES (?, ?, ?)"
            " ON CONFLICT (session, completion) DO UPDATE SET expires = excluded.expires",
            (session, completion, now + COMPLETION_LIFETIME),
        )

    def _seal(self, plan: Plan) -> str:
        return self._sealer.seal(plan.dump(), context=_context(plan.id))

    async def completed(self, session: bytes, completion: str, *, now: int) -> bool:
        """Consume the completion with that key in this session. Return whether there was one."""

        def consume() -> Batch[bool]:
            result = yield Statement(
                "DELETE FROM flow_completion WHERE session = ? AND completion = ? AND expires > ?",
                (session, completion, now),
            )
            # guard: A30 a code requires the completed authorization flow
            return result.count == 1

        return await self._database.write(consume)


def new_id() -> str:
    """Return a random id of a plan, 128 bit."""
    return secrets.token_urlsafe(16)


def new_plan(slug: str, destination: str) -> Plan:
    """Return an empty plan, not planned yet."""
    return Plan(id=new_id(), slug=slug, destination=destination)


def finish_plan(session: bytes, plan: Plan) -> Statement:
    """Delete a finished plan. Fails the batch with PlanChanged if the stored version is another one."""
    return Statement(
        "DELETE FROM flow_tab_plan WHERE session = ? AND slug = ? AND destination = ? AND id = ? AND version = ?",
        (session, plan.slug, plan.destination, plan.id, plan.version),
        guard=Guard(PlanChanged),
    )


def drop(session: bytes, slug: str, destination: str) -> Statement:
    """Delete the plan for a flow and destination."""
    return Statement(
        "DELETE FROM flow_tab_plan WHERE session = ? AND slug = ? AND destination = ?", (session, slug, destination)
    )


def drop_leading_to(session: bytes, destination: str) -> Statement:
    """Delete the plans for a destination, of all flows."""
    return Statement("DELETE FROM flow_tab_plan WHERE session = ? AND destination = ?", (session, destination))


def drop_oldest(session: bytes) -> Statement:
    """Delete the plans of a session beyond `MAX_PLANS`, the least recently used first."""
    # guard: A30 the number of plans per session is bounded
    return Statement(
        "DELETE FROM flow_tab_plan WHERE session = ? AND expires < (SELECT expires FROM flow_tab_plan"
        " WHERE session = ? ORDER BY expires DESC LIMIT 1 OFFSET ?)",
        (session, session, MAX_PLANS - 1),
    )


def drop_all(session: bytes) -> Iterable[Statement]:
    """Delete all plans and completions of a session."""
    yield Statement("DELETE FROM flow_tab_plan WHERE session = ?", (session,))
    yield Statement("DELETE FROM flow_completion WHERE session = ?", (session,))


def move_all(old: bytes, new: bytes, *, proofs: bool) -> Iterable[Statement]:
    """Move all plans to the new id of a session. Completions are moved or deleted."""
    yield Statement("UPDATE flow_tab_plan SET session = ? WHERE session = ?", (new, old))
    if proofs:
        yield Statement("UPDATE flow_completion SET session = ? WHERE session = ?", (new, old))
    else:
        yield Statement("DELETE FROM flow_completion WHERE session = ?", (old,))


def sweep_plans(now: int) -> Statement:
    """Return the statement that deletes expired plans."""
    return expired("flow_tab_plan", "session, slug", now)


def sweep_proofs(now: int) -> Statement:
    """Return the statement that deletes expired completions."""
    return expired("flow_completion", "session, completion", now)


def _context(plan_id: str) -> str:
    return f"flow_plan/{plan_id}/body"
