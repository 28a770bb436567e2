"""Every statement of the hot paths goes by way of an index: they are recorded while the paths are walked."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, cast

from oauth2_rig import Rig, make_rig
from support.explain import explain

from ostiary.store.activity import activity_of
from ostiary.store.database import Batch, Database, Result, Row, Statement, Value

_TABLE = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO)\s+([a-z_]+)", re.IGNORECASE)


class Recording:
    """A database that keeps each text with the parameters it came with last."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.dialect = database.dialect
        self.activity = activity_of(database)
        self.seen: dict[str, tuple[Value, ...]] = {}

    async def fetch(self, sql: str, *parameters: Value) -> Sequence[Row]:
        self.seen[sql] = parameters
        return await self._database.fetch(sql, *parameters)

    async def read(self, batch: Callable[[], Batch[Any]]) -> Any:
        return await self._database.read(lambda: self._told(batch))

    async def write(self, batch: Callable[[], Batch[Any]]) -> Any:
        return await self._database.write(lambda: self._told(batch))

    async def close(self) -> None:
        await self._database.close()

    def _told(self, factory: Callable[[], Batch[Any]]) -> Batch[Any]:
        batch = factory()
        result: Result | None = None
        try:
            while True:
                statement: Statement = next(batch) if result is None else batch.send(result)
                self.seen[statement.sql] = tuple(statement.parameters)
                result = yield statement
        except StopIteration as stop:
            return stop.value


async def walk(rig: Rig) -> None:
    """Go the hot paths once."""
    await rig.browser.sign_in()
    tokens = await rig.browser.tokens()
    tokens |= _json(await rig.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"]))
    for _ in range(2):  # the first makes the account
        await rig.token(grant_type="client_credentials")
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    assert (await rig.call("GET", "/application/o/userinfo/", headers=bearer)).status == 200
    for token in (tokens["access_token"], tokens["refresh_token"]):
        form = {"token": token, "client_id": "wiki", "client_secret": _secret()}
        assert _json(await rig.call("POST", "/application/o/introspect/", form=form))["active"] is True
        assert (await rig.call("POST", "/application/o/revoke/", form=form)).status == 200
    await rig.browser.tokens()
    await rig.browser.sign_out()


async def test_hot_statements_use_an_index(database: Database) -> None:
    recording = Recording(database)
    rig = await make_rig(cast("Database", recording))
    recording.seen.clear()  # a start reads the whole configuration
    await walk(rig)
    texts = {sql for sql in recording.seen if not sql.lstrip().upper().startswith("INSERT")}
    tables = {name for sql in recording.seen for name in _TABLE.findall(sql)}
    assert {
        "access_token",
        "refresh_token",
        "grant_family",
        "session",
        "directory_user",
        "single_use",
        "event",
    } <= tables
    for sql in texts:
        plan = await explain(database, sql, *recording.seen[sql])
        if database.dialect == "sqlite":
            scans = [line for line in plan.splitlines() if re.match(r"SCAN (?!CONSTANT|\d|reach|m\b|\()", line)]
            assert scans == [], f"{sql}\n{plan}"
        else:
            assert "Seq Scan on" not in plan, f"{sql}\n{plan}"


def _json(response: Any) -> dict[str, Any]:
    from oauth2_rig import json_of

    assert response.status == 200, response.body
    return json_of(response)


def _secret() -> str:
    from oauth2_rig import SECRET

    return SECRET
