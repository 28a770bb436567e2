"""Who a request to the API speaks for: a session, a key of a user, or an access token; anybody else gets authentik's 403."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.people import People
from support.program import Clock, Program, open_program, take_cookies

from ostiary.api.routes import Api
from ostiary.brands.resources import Brand
from ostiary.directory.tokens import Token, insert, new_key
from ostiary.seal import Secret
from ostiary.sessions.sessions import SessionLogin, Sessions
from ostiary.store.database import Database
from ostiary.store.hashing import token_hash
from ostiary.store.workspace.commit import run
from ostiary.web.request import Request
from ostiary.web.response import Response, empty

NOW = 1_800_000_000_000_000
HOUR = 3_600_000_000
ME = "/api/v3/core/users/me/"
EXPIRED = {"detail": "Token invalid/expired", "code": "authentication_failed"}


@pytest.fixture
async def program(database: Database) -> AsyncIterator[Program]:
    made = await open_program(database, Clock(NOW))
    yield made
    await made.close()


def read(response: Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(response.body)
    return found


async def key_of(program: Program, user: int, **fields: Any) -> Secret:
    key = new_key()
    token = Token(
        **{
            "pk": f"token-{user}",
            "identifier": f"of-{user}",
            "intent": "api",
            "user": user,
            "expires": NOW + HOUR,
            "key_hash": token_hash(key.reveal()),
            **fields,
        }
    )
    await program.core.database.write(lambda: run([insert(token)]))
    return key


async def me(program: Program, key: str, scheme: str = "Bearer") -> Response:
    return await program.call("GET", ME, headers={"authorization": f"{scheme} {key}"})


async def test_a_key_speaks_for_its_user_with_groups_and_roles(program: Program) -> None:
    people = People(program.core.database)
    ada = await people.user("ada")
    await people.group("staff", users=(ada,))
    key = (await key_of(program, ada.pk)).reveal()
    answer = await me(program, key)
    assert answer.status == 200
    user = read(answer)["user"]
    assert (user["username"], [group["name"] for group in user["groups"]], user["roles"]) == ("ada", ["staff"], [])
    assert (await me(program, f" {key} ", scheme="bEARER")).status == 200


@pytest.mark.parametrize(
    "fields", [{"intent": "app_password"}, {"intent": "recovery"}, {"expires": NOW}, {"expires": None}]
)
async def test_other_keys_and_expired_ones_speak_for_nobody(program: Program, fields: dict[str, Any]) -> None:
    ada = await People(program.core.database).user("ada")
    key = await key_of(program, ada.pk, **fields)
    answer = await me(program, key.reveal())
    assert (answer.status, read(answer)["detail"], read(answer)["code"]) == (403, *EXPIRED.values())


async def test_the_key_of_an_inactive_account_speaks_for_nobody(program: Program) -> None:
    ada = await People(program.core.database).user("ada", is_active=False)
    assert (await me(program, (await key_of(program, ada.pk)).reveal())).status == 403


@pytest.mark.parametrize("key", ["", "unknown", "k" * 50])  # the last is the secret key of the installation
async def test_what_is_no_key_speaks_for_nobody(program: Program, key: str) -> None:
    answer = await me(program, key)
    assert (answer.status, read(answer)["code"]) == (403, "authentication_failed")


async def signed_in(program: Program, pk: int) -> str:
    sessions = program.service(Sessions)
    request = Request(scheme="https")
    session = await sessions.ensure(request, NOW)
    proof = SessionLogin(user=pk, who={"pk": pk}, auth_method="password", amr=("pwd",), duration=HOUR)
    await sessions.sign_in(request, session, proof, now=NOW)
    answer = empty(200)
    sessions.finish(request, answer)
    jar: dict[str, str] = {}
    take_cookies(jar, answer)
    return "; ".join(f"{name}={value}" for name, value in jar.items())


async def test_a_session_speaks_for_who_signed_in(program: Program) -> None:
    people = People(program.core.database)
    ada, eve = await people.user("ada"), await people.user("eve", is_active=False)
    answer = await program.call("GET", ME, headers={"cookie": await signed_in(program, ada.pk)})
    assert (answer.status, read(answer)["user"]["username"]) == (200, "ada")
    answer = await program.call("GET", ME, headers={"cookie": await signed_in(program, eve.pk)})
    assert (answer.status, read(answer)["code"]) == (403, "not_authenticated")
    answer = await program.call("GET", ME)
    assert (answer.status, read(answer)["code"]) == (403, "not_authenticated")


async def test_an_access_token_speaks_for_whom_its_issuer_says(program: Program) -> None:
    ada = await People(program.core.database).user("ada")
    callers = program.service(Api).callers
    asked: list[tuple[str, int]] = []

    async def user_of(key: Secret, now: int) -> int | None:
        asked.append((key.reveal(), now))
        return ada.pk

    found = await type(callers)(callers.tokens, callers.users, callers.sessions, user_of).identify(
        Request(headers={"authorization": "Bearer an-access-token"}), NOW
    )
    assert (found.user.username, asked) == ("ada", [("an-access-token", NOW)])


async def test_what_everybody_may_read(program: Program) -> None:
    program.change(Brand(pk="brand", domain="authentik-default", default=True, branding_title="The House"))
    assert read(await program.call("GET", "/api/v3/root/config/"))["error_reporting"]["enabled"] is False
    assert read(await program.call("GET", "/api/v3/core/brands/current/"))["branding_title"] == "The House"
