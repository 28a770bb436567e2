"""client_credentials and password: the four ways, and everything that is none of them."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import uuid
from collections import Counter
from typing import Any

import pytest
from oauth2_rig import SECOND, SECRET, Rig, json_of, provider, user, verified

from ostiary.directory.attempts import ACCOUNT_LIMIT, Account, Attempts
from ostiary.directory.errors import Throttled
from ostiary.directory.tokens import Token
from ostiary.directory.tokens import insert as insert_token
from ostiary.directory.users import insert
from ostiary.policies.resources import PolicyBinding
from ostiary.proto.oauth2.assertion import JWT_BEARER
from ostiary.store.database import Statement
from ostiary.store.hashing import token_hash
from ostiary.web.response import Response

ACCOUNT = "ak-provider 1-client_credentials"
KEY = "app-password-of-ada"


async def app_password(
    rig: Rig, key: str = KEY, *, pk: int = 7, intent: str = "app_password", ends: int = 10**9
) -> None:
    await rig.run(
        insert_token(
            Token(
                pk=str(uuid.uuid4()),
                identifier=f"id-{key}",
                intent=intent,
                user=pk,
                expires=rig.now + ends * SECOND,
                key_hash=token_hash(key),
            )
        )
    )


async def credentials(rig: Rig, basic: tuple[str, str] | None = ("wiki", SECRET), **form: str) -> Response:
    return await rig.token(basic, grant_type="client_credentials", **form)


def refused(response: Response, code: str) -> bool:
    return response.status in {400, 401} and json_of(response)["error"] == code


class TestSecret:
    async def test_the_account_is_made_once_and_then_it_costs_two_round_trips(self, both: Rig) -> None:
        first = await credentials(both, scope="openid profile")
        assert first.status == 200, first.body
        both.database.trips = 0
        second = await credentials(both, scope="openid profile")
        assert both.database.trips == 2
        subjects = {(await verified(both, json_of(one)["access_token"]))["sub"] for one in (first, second)}
        rows = await both.rows("SELECT * FROM directory_user WHERE kind = 'service_account'")
        assert [row["username"] for row in rows] == [ACCOUNT]
        assert rows[0]["path"] == "goauthentik.io/apps/wiki"
        assert json.loads(rows[0]["attributes"]) == {"goauthentik.io/user/generated": True}
        assert len(subjects) == 1

    async def test_many_at_once_make_one_account(self, both: Rig) -> None:
        answers = await asyncio.gather(*(credentials(both) for _ in range(20)))
        assert {one.status for one in answers} == {200}
        assert len(await both.rows("SELECT pk FROM directory_user WHERE kind = 'service_account'")) == 1

    async def test_what_the_answer_has(self, rig: Rig) -> None:
        body = json_of(await credentials(rig, scope="openid email offline_access nonsense"))
        assert set(body) == {"access_token", "token_type", "scope", "expires_in", "id_token"}
        assert (body["scope"], body["token_type"]) == ("openid email", "Bearer")

    async def test_no_scope_is_no_scope(self, rig: Rig) -> None:
        body = json_of(await credentials(rig))
        assert not body.get("scope")
        assert "id_token" not in body
        events = await rig.events("login")
        assert json.loads(events[0]["context"])["auth_method"] == "oauth_client_secret"

    async def test_the_token_is_good_and_ends_with_the_account(self, rig: Rig) -> None:
        token = json_of(await credentials(rig, scope="openid profile"))["access_token"]
        assert json_of(await userinfo(rig, token))["preferred_username"] == ACCOUNT
        await rig.run(Statement("UPDATE directory_user SET is_active = 0 WHERE username = ?", (ACCOUNT,)))
        assert (await userinfo(rig, token)).status == 401
        assert refused(await credentials(rig), "invalid_grant")

    async def test_the_path_follows_the_application(self, rig: Rig) -> None:
        await credentials(rig)
        application = rig.plane.snapshot.resolve("authentik_core.application", "app")
        from dataclasses import replace

        rig.change(replace(application, slug="moved"))
        await credentials(rig)
        rows = await rig.rows("SELECT path FROM directory_user WHERE kind = 'service_account'")
        assert rows[0]["path"] == "goauthentik.io/apps/moved"

    async def test_an_account_that_somebody_made_is_not_taken_over(self, rig: Rig) -> None:
        await rig.run(insert(user(50, ACCOUNT)))
        assert refused(await credentials(rig), "invalid_grant")

    async def test_policies_decide(self, rig: Rig) -> None:
        rig.change(PolicyBinding(pk="only-ada", target="app", user=7, order=0))
        assert refused(await credentials(rig), "invalid_grant")

    async def test_a12_the_grant_must_be_allowed(self, rig: Rig) -> None:
        rig.change(provider(1, grant_types=("authorization_code",)))
        assert refused(await credentials(rig), "unauthorized_client")

    @pytest.mark.parametrize("secret", ["", "wrong", SECRET + "x", base64.b64encode(b"ada:nope").decode()])
    async def test_wrong_secrets(self, rig: Rig, secret: str) -> None:
        response = await credentials(rig, ("wiki", secret))
        assert refused(response, "invalid_client") or refused(response, "invalid_grant")

    async def test_a_public_client_has_no_credentials(self, rig: Rig) -> None:
        rig.change(provider(1, client_type="public"))
        assert refused(await credentials(rig), "unauthorized_client")
        assert refused(await credentials(rig, None, client_id="wiki"), "unauthorized_client")

    async def test_resources_must_be_the_providers(self, rig: Rig) -> None:
        rig.change(provider(1, resources=("https://api.example.org",)))
        body = json_of(await credentials(rig, resource="https://api.example.org"))
        claims = await verified(rig, body["access_token"])
        assert claims["aud"] == "https://api.example.org"
        assert refused(await credentials(rig, resource="https://other.example.org"), "invalid_target")


class TestAppPassword:
    async def test_name_and_password(self, both: Rig) -> None:
        await app_password(both)
        both.database.trips = 0
        response = await credentials(both, None, client_id="wiki", username="Ada", password=KEY, scope="openid profile")
        assert response.status == 200, response.body
        assert both.database.trips == 2
        assert json_of(await userinfo(both, json_of(response)["access_token"]))["preferred_username"] == "ada"
        context = json.loads((await both.events("login"))[0]["context"])
        assert (context["auth_method"], context["auth_method_args"]) == ("token", {"identifier": f"id-{KEY}"})

    async def test_in_place_of_the_secret(self, rig: Rig) -> None:
        await app_password(rig)
        pair = base64.b64encode(f"ada:{KEY}".encode()).decode()
        assert (await credentials(rig, ("wiki", pair))).status == 200
        assert (await credentials(rig, None, client_id="wiki", client_secret=pair)).status == 200

    async def test_a_wrong_secret_beside_it_is_refused(self, rig: Rig) -> None:
        await app_password(rig)
        assert (await credentials(rig, username="ada", password=KEY)).status == 200
        assert refused(await credentials(rig, ("wiki", "wrong"), username="ada", password=KEY), "invalid_client")

    async def test_refusals(self, rig: Rig) -> None:
        await app_password(rig)
        await app_password(rig, "api-key", intent="api")
        await app_password(rig, "old", ends=-1)
        await app_password(rig, "of-eve", pk=9)
        for name, key in (("bob", KEY), ("ada", "api-key"), ("ada", "old"), ("eve", "of-eve"), ("ada", "!")):
            response = await credentials(rig, None, client_id="wiki", username=name, password=key)
            assert refused(response, "invalid_grant"), (name, key)

    async def test_a_refusal_is_a_failed_sign_in_of_the_log(self, rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
        await app_password(rig)
        with caplog.at_level(logging.WARNING):
            await credentials(rig, None, client_id="wiki", username="ada", password=KEY)
            await credentials(rig, None, client_id="wiki", username="ada x", password="not this one")
        found = [record.getMessage() for record in caplog.records if record.name == "ostiary.signin"]
        assert found == ["sign-in failed user= address=192.0.2.7 reason=app_password"], "people type passwords there"

    async def test_a34_of_many_guesses_at_once_ten_are_judged(self, both: Rig) -> None:
        await app_password(both)
        guesses = [f"wrong {number}" for number in range(30)] + [KEY]
        form = {"client_id": "wiki", "username": "ada"}
        answers = await asyncio.gather(*(credentials(both, None, password=one, **form) for one in guesses))
        assert Counter(one.status for one in answers) == {400: ACCOUNT_LIMIT, 429: 31 - ACCOUNT_LIMIT}

    async def test_a_program_that_is_known_is_not_locked_out_by_strangers(self, both: Rig) -> None:
        await app_password(both)
        form = {"client_id": "wiki", "username": "ada"}
        assert (await credentials(both, None, password=KEY, **form)).status == 200
        attempts = Attempts(both.database)
        account = Account(7, "ada", "app")
        for number in range(ACCOUNT_LIMIT):
            await attempts.begin(account, f"198.51.100.{number}", both.now)
        answers = await asyncio.gather(*(credentials(both, None, password=KEY, **form) for _ in range(20)))
        assert {one.status for one in answers} == {200}
        with pytest.raises(Throttled):
            await attempts.begin(account, "198.51.100.99", both.now)

    async def test_password_grant_must_be_listed_and_takes_nothing_else(self, rig: Rig) -> None:
        await app_password(rig)
        form = {"grant_type": "password", "username": "ada", "password": KEY}
        assert refused(await rig.token(**form), "unauthorized_client")
        rig.change(provider(1, grant_types=("password",)))
        assert (await rig.token(**form)).status == 200
        assert refused(await rig.token(grant_type="password"), "invalid_request")
        assert refused(await rig.token(grant_type="password", username="ada"), "invalid_request")
        assert refused(await rig.token(grant_type="password", username="ada", password="login"), "invalid_grant")

    async def test_a_stronger_method_is_never_replaced(self, rig: Rig) -> None:
        await app_password(rig)
        rig.change(provider(1, token_endpoint_auth_method="client_secret_jwt"))
        assert refused(await credentials(rig, username="ada", password=KEY), "invalid_client")


class TestFederation:
    """Tokens of provider 2 as proof at provider 1."""

    @pytest.fixture
    async def source(self, rig: Rig) -> dict[str, Any]:
        rig.change(provider(1, jwt_federation_providers=(2,)), provider(2, client_id="other"))
        await app_password(rig)
        response = await credentials(rig, None, client_id="other", username="ada", password=KEY, scope="openid")
        return json_of(response)

    async def ask(self, rig: Rig, token: str, **form: str) -> Response:
        return await credentials(
            rig, None, **{"client_id": "wiki", "client_assertion_type": JWT_BEARER, "client_assertion": token, **form}
        )

    async def test_acts_as_its_person(self, rig: Rig, source: dict[str, Any]) -> None:
        response = await self.ask(rig, source["access_token"], scope="openid profile")
        assert response.status == 200, response.body
        assert json_of(await userinfo(rig, json_of(response)["access_token"]))["preferred_username"] == "ada"
        context = json.loads((await rig.events("login"))[-1]["context"])
        assert context["auth_method"] in {"jwt", "token"}

    async def test_as_client_secret(self, rig: Rig, source: dict[str, Any]) -> None:
        form = {"client_id": "wiki", "client_assertion_type": JWT_BEARER, "client_secret": source["access_token"]}
        assert (await credentials(rig, None, **form)).status == 200

    async def test_refusals(self, rig: Rig, source: dict[str, Any]) -> None:
        token = source["access_token"]
        assert refused(await self.ask(rig, source["id_token"]), "invalid_grant")
        assert refused(await self.ask(rig, token[:-4] + "AAAA"), "invalid_grant")
        assert refused(await self.ask(rig, "x"), "invalid_grant")
        assert refused(await self.ask(rig, token, client_assertion_type="saml"), "invalid_client")
        rig.change(provider(1, jwt_federation_providers=()))
        assert refused(await self.ask(rig, token), "invalid_grant")
        rig.change(provider(1, jwt_federation_providers=(2,)))
        assert (await self.ask(rig, token)).status == 200
        await rig.call(
            "POST", "/application/o/revoke/", form={"client_id": "other", "client_secret": SECRET, "token": token}
        )
        assert refused(await self.ask(rig, token), "invalid_grant")

    async def test_expired(self, rig: Rig, source: dict[str, Any]) -> None:
        rig.now += 3601 * SECOND
        assert refused(await self.ask(rig, source["access_token"]), "invalid_grant")

    async def test_a16_meant_for_somebody_else(self, rig: Rig) -> None:
        rig.change(
            provider(1, jwt_federation_providers=(2,)),
            provider(2, client_id="other", resources=("https://api.example.org",)),
        )
        token = json_of(await credentials(rig, ("other", SECRET), resource="https://api.example.org"))["access_token"]
        assert refused(await self.ask(rig, token), "invalid_grant")
        token = json_of(await credentials(rig, ("other", SECRET)))["access_token"]
        assert (await self.ask(rig, token)).status == 200

    async def test_ends_with_the_session_of_its_source(self, rig: Rig) -> None:
        rig.change(provider(1), provider(2, client_id="other", jwt_federation_providers=(1,)))
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens()
        made = json_of(await self.ask(rig, tokens["access_token"], client_id="other", scope="openid"))["access_token"]
        assert (await userinfo(rig, made)).status == 200
        await rig.browser.sign_out()
        assert (await userinfo(rig, made)).status == 401
        assert refused(await self.ask(rig, tokens["access_token"], client_id="other"), "invalid_grant")


async def userinfo(rig: Rig, token: str) -> Response:
    return await rig.call("GET", "/application/o/userinfo/", headers={"authorization": f"Bearer {token}"})
