"""An explanation beside the sign-in it explains: the same verdict, the same claims, and a database as it was."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

import pytest
from oauth2_rig import Rig, json_of

from ostiary.applications.resources import Application
from ostiary.directory.group_tree import read_group_tree
from ostiary.policies.kinds.expression import ExpressionPolicy
from ostiary.policies.resources import PolicyBinding
from ostiary.policies.services import PolicyServices
from ostiary.proto.jose import base64url_decode
from ostiary.sandbox.evaluation.evaluator import Evaluator
from ostiary.signon.explain.explanation import Explanation, explain
from ostiary.signon.explain.preview import ProtocolPreviews
from ostiary.signon.explain.situation import Situation

SCOPES = ("openid", "email", "profile", "offline_access")
OF_ONE_SIGN_IN = {"jti", "sid", "at_hash", "nonce"}


async def explained(rig: Rig) -> Explanation:
    core = rig.program.core
    subject = await core.users.subject(7)
    application = core.plane.snapshot.find(Application, slug="wiki")
    assert subject is not None
    assert application is not None
    situation = Situation(
        subject=subject,
        application=application,
        snapshot=core.plane.snapshot,
        groups=await read_group_tree(core.database, install_id=core.users.install_id),
        now=rig.now,
        host="id.example.org",
        base_url="https://id.example.org",
        amr=("pwd",),
        scopes=SCOPES,
        evaluator=core.services[Evaluator],
        policy_services=core.services[PolicyServices],
    )
    return await explain(situation, core.services[ProtocolPreviews])


async def dump(rig: Rig) -> Mapping[str, list[str]]:
    """Every row of every table."""
    tables = {
        "sqlite": "SELECT name AS name FROM sqlite_master WHERE type = 'table'",
        "postgresql": "SELECT schemaname || '.' || tablename AS name FROM pg_catalog.pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
    }[rig.database.dialect]
    names = [str(row["name"]) for row in await rig.rows(tables)]
    found = {
        name: sorted(repr(tuple(cast("Iterable[Any]", row))) for row in await rig.rows(f"SELECT * FROM {name}"))
        for name in names
    }
    assert sum(map(len, found.values())) > 3
    assert any(name.endswith("event") for name in found)
    return found


def payload(token: str) -> dict[str, Any]:
    return dict(json.loads(base64url_decode(token.split(".")[1])))


async def test_the_claims_are_those_of_a_sign_in(both: Rig) -> None:
    found = await explained(both)
    await both.browser.sign_in()
    tokens = await both.browser.tokens(scope=" ".join(SCOPES))
    userinfo = await both.call(
        "GET", "/application/o/userinfo/", headers={"authorization": f"Bearer {tokens['access_token']}"}
    )
    assert found.verdict.allowed
    assert found.released is not None
    live = {name: value for name, value in payload(tokens["id_token"]).items() if name not in OF_ONE_SIGN_IN}
    assert dict(found.released.claims["ID token"]) == live
    assert dict(found.released.claims["userinfo"]) == {
        name: value for name, value in json_of(userinfo).items() if name not in OF_ONE_SIGN_IN
    }


async def test_the_refusal_is_that_of_a_sign_in(both: Rig) -> None:
    both.change(PolicyBinding(pk="b", target="app", user=8, order=0))
    found = await explained(both)
    await both.browser.sign_in()
    response = await both.browser.authorize()
    assert response.status == 200
    assert b"You have no access to this application." in response.body
    assert found.verdict.reasons == ("You have no access to this application.",)
    assert "bind ada to application wiki" in [change.words for change in found.changes.found]


async def test_a55_nothing_is_written(both: Rig) -> None:
    broken = ExpressionPolicy(pk="broken", name="broken", expression="import os\nreturn os.getpid()")
    both.change(broken, PolicyBinding(pk="b", target="app", policy="broken", order=0))  # a sign-in would write events
    before = await dump(both)
    found = await explained(both)
    assert found.policies.steps[0].step["how"] == "failed"
    assert await dump(both) == before


@pytest.mark.parametrize(("scopes", "released"), [((*SCOPES,), True), (("openid",), False)])
async def test_only_the_claims_of_the_scopes(rig: Rig, scopes: tuple[str, ...], released: bool) -> None:
    situation = dataclasses.replace((await explained(rig)).situation, scopes=scopes)
    found = await explain(situation, rig.program.core.services[ProtocolPreviews])
    assert found.released is not None
    assert ("email" in found.released.claims["userinfo"]) is released
