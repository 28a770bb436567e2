"""Where plans and proofs of completion are kept: sealed, by session, flow and destination.

Two tabs of one browser that lead to different applications have a plan each.
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
PLANS_MOST: Final = 32
"""Plans one session may have besides the one it begins: the oldest go. A stranger could begin any number of them."""
COMPLETION_LIFETIME: Final = 10 * 60_000_000  # microseconds


class Plans:
    """The repository of plans."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def read(self, session: bytes, slug: str, destination: str, *, now: int) -> Plan | None:
        """Return the plan of a session for a flow and a destination. One that cannot be opened counts as none."""
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
        """Return the plan of a session for a flow that was taken on last, wherever it leads."""
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
        """Return the plans of a session, of any flow, that lead to a destination."""
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
        except Exception as error:  # noqa: BLE001 - other key, other version of the program: the person starts again
            log.warning("a plan of flow %s cannot be read (%s), and is begun again", slug, type(error).__name__)
            return None

    def put(self, session: bytes, plan: Plan, *, now: int) -> Statement:
        """Store a plan in place of what the session had for that flow and destination."""
        return Statement(
            "INSERT INTO flow_tab_plan (session, slug, destination, id, version, body, expires)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (session, slug, destination) DO UPDATE SET id = excluded.id, version = excluded.version,"
            " body = excluded.body, expires = excluded.expires",
            (session, plan.slug, plan.destination, plan.id, plan.version, self._seal(plan), now + PLAN_LIFETIME),
        )

    def save(self, plan: Plan, *, now: int) -> Statement:
        """Store a changed plan; fails the batch with PlanChanged when it moved on since it was read.

        Named by its id alone, so that it may stand behind the statements that move a session to a new id.
        """
        # guard: A30 of two concurrent responses to a stage, one is accepted
        return Statement(
            "UPDATE flow_tab_plan SET version = version + 1, body = ?, expires = ? WHERE id = ? AND version = ?",
            (self._seal(plan), now + PLAN_LIFETIME, plan.id, plan.version),
            guard=Guard(PlanChanged),
        )

    def proof(self, session: bytes, completion: str, *, now: int) -> Statement:
        """Leave the proof that the flow begun with that key came to its end, for whoever asks `completed` later."""
        return Statement(
            "INSERT INTO flow_completion (session, completion, expires) VALUES (?, ?, ?)"
            " ON CONFLICT (session, completion) DO UPDATE SET expires = excluded.expires",
            (session, completion, now + COMPLETION_LIFETIME),
        )

    def _seal(self, plan: Plan) -> str:
        return self._sealer.seal(plan.dump(), context=_context(plan.id))

    async def completed(self, session: bytes, completion: str, *, now: int) -> bool:
        """Consume the proof that the flow begun with this completion key ended in this session."""

        def consume() -> Batch[bool]:
            result = yield Statement(
                "DELETE FROM flow_completion WHERE session = ? AND completion = ? AND expires > ?",
                (session, completion, now),
            )
            # guard: A30 a code requires the completed authorization flow
            return result.count == 1

        return await self._database.write(consume)


def new_id() -> str:
    """Return the id of a plan: 128 bit, which nobody guesses."""
    return secrets.token_urlsafe(16)


def new_plan(slug: str, destination: str) -> Plan:
    """Return an empty plan, not planned yet."""
    return Plan(id=new_id(), slug=slug, destination=destination)


def finish_plan(session: bytes, plan: Plan) -> Statement:
    """Remove a plan that came to its end, once; fails the batch with PlanChanged when it moved on since."""
    return Statement(
        "DELETE FROM flow_tab_plan WHERE session = ? AND slug = ? AND destination = ? AND id = ? AND version = ?",
        (session, plan.slug, plan.destination, plan.id, plan.version),
        guard=Guard(PlanChanged),
    )


def drop(session: bytes, slug: str, destination: str) -> Statement:
    """Forget the plan of one flow and destination."""
    return Statement(
        "DELETE FROM flow_tab_plan WHERE session = ? AND slug = ? AND destination = ?", (session, slug, destination)
    )


def drop_leading_to(session: bytes, destination: str) -> Statement:
    """Forget the plans, of any flow, that lead to a destination."""
    return Statement("DELETE FROM flow_tab_plan WHERE session = ? AND destination = ?", (session, destination))


def drop_oldest(session: bytes) -> Statement:
    """Forget the plans of a session beyond `PLANS_MOST`, the one that rested longest first."""
    # guard: A30 the number of plans per session is bounded
    return Statement(
        "DELETE FROM flow_tab_plan WHERE session = ? AND expires < (SELECT expires FROM flow_tab_plan"
        " WHERE session = ? ORDER BY expires DESC LIMIT 1 OFFSET ?)",
        (session, session, PLANS_MOST - 1),
    )


def drop_all(session: bytes) -> Iterable[Statement]:
    """Forget every plan and proof of a session."""
    yield Statement("DELETE FROM flow_tab_plan WHERE session = ?", (session,))
    yield Statement("DELETE FROM flow_completion WHERE session = ?", (session,))


def move_all(old: bytes, new: bytes, *, proofs: bool) -> Iterable[Statement]:
    """Let every plan follow a session that got a new id; proofs are forgotten unless they go along."""
    yield Statement("UPDATE flow_tab_plan SET session = ? WHERE session = ?", (new, old))
    if proofs:
        yield Statement("UPDATE flow_completion SET session = ? WHERE session = ?", (new, old))
    else:
        yield Statement("DELETE FROM flow_completion WHERE session = ?", (old,))


def sweep_plans(now: int) -> Statement:
    """Return the statement that removes plans that expired."""
    return expired("flow_tab_plan", "session, slug", now)


def sweep_proofs(now: int) -> Statement:
    """Return the statement that removes proofs that nobody asked for in time."""
    return expired("flow_completion", "session, completion", now)


def _context(plan_id: str) -> str:
    return f"flow_plan/{plan_id}/body"
