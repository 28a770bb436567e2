"""What fails while a request goes on after an answer that counts: the answer stays, and the log has the error."""

from __future__ import annotations

import logging

import pytest
from flows_world import SLUG, Client, World, default_flow

from ostiary.flows.run.outcome import Challenge, Passed
from ostiary.flows.stages.password import PasswordStage
from ostiary.web.request import Request


async def test_what_fails_ahead_is_in_the_log_and_the_answer_counts(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise KeyError("nothing of this kind")

    default_flow(world)
    await world.user()
    await client.get()
    session = await client.session()
    with monkeypatch.context() as patched, caplog.at_level(logging.ERROR, logger="ostiary.flows"):
        patched.setattr(PasswordStage, "open", broken)
        answer = {"component": "ak-stage-identification", "uid_field": "jo"}
        request = Request(method="POST", path=f"/if/flow/{SLUG}/", host="id.example.org", client=client.address)
        shown = await world.engine.challenge(request, session, SLUG, now=world.now)
        assert isinstance(shown, Challenge)
        outcome = await world.engine.submit(request, session, SLUG, answer, ticket=shown.ticket, now=world.now)
    assert isinstance(outcome, Passed)
    (line,) = caplog.records
    assert line.getMessage() == f"flow {SLUG}: going on after an answer failed, and is tried again"
    assert line.exc_info is not None
    assert line.exc_info[0] is KeyError
    assert (await client.get())["component"] == "ak-stage-password"
