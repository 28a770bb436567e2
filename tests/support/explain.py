"""The plan a database makes for a statement, to see that it goes by way of an index."""

from __future__ import annotations

from ostiary.store.database import Batch, Database, Statement, Value


async def explain(database: Database, sql: str, *parameters: Value) -> str:
    """Return the plan as text. PostgreSQL is asked to avoid sequential scans, which it prefers for empty tables."""
    return await database.write(lambda: _explaining(database.dialect, sql, parameters))


def _explaining(dialect: str, sql: str, parameters: tuple[Value, ...]) -> Batch[str]:
    if dialect == "sqlite":
        rows = yield Statement(f"EXPLAIN QUERY PLAN {sql}", parameters)
        return "\n".join(row["detail"] for row in rows)
    yield Statement("SET LOCAL enable_seqscan = off")
    rows = yield Statement(f"EXPLAIN {sql}", parameters)
    return "\n".join(row[0] for row in rows)
