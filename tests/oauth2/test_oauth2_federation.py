"""client_credentials with tokens of a second issuer, a real server; and what is made of tokens of our own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from oauth2_client_keys import Key
from oauth2_issuer import Issuer, second_issuer
from oauth2_rig import BASE, SECOND, SECRET, Rig, json_of, provider, user, verified

from ostiary.directory.users import insert
from ostiary.grants.cascades import SWEEPS
from ostiary.policies.resources import PolicyBinding
from ostiary.proto.oauth2.clients.assertion import JWT_BEARER
from ostiary.resource import InvalidResource
from ostiary.seal import Secret
from ostiary.store.database import Statement
from ostiary.trust.oauth_source import OAuthSource
from ostiary.web.response import Response

NAME = "provider 1-robot"


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with second_issuer() as made:
        yield made


@pytest.fixture
def federated(rig: Rig, issuer: Issuer) -> Rig:
    federate(rig, issuer)
    return rig


def federate(rig: Rig, issuer: Issuer, **changes: Any) -> None:
    wanted: dict[str, Any] = {"oidc_well_known_url": f"{issuer.url}/.well-known/openid-configuration", **changes}
    rig.change(source(**wanted), provider(1, jwt_federation_sources=("src",)))


def source(pk: str = "src", **changes: Any) -> OAuthSource:
    wanted: dict[str, Any] = {
        "name": "Forge", "slug": "forge", "provider_type": "openidconnect", "consumer_key": "us-at-forge",
        "consumer_secret": Secret("x"), **changes,
    }  # fmt: skip
    return OAuthSource(pk=pk, **wanted)


async def ask(rig: Rig, token: str, client: str = "wiki", **form: str) -> Response:
    form = {"client_id": client, "client_assertion_type": JWT_BEARER, "client_assertion": token, **form}
    return await rig.token(None, grant_type="client_credentials", **form)


async def introspect(rig: Rig, token: str, client: str = "wiki") -> dict[str, Any]:
    form = {"client_id": client, "client_secret": SECRET, "token": token}
    return json_of(await rig.call("POST", "/application/o/introspect/", form=form))


async def revoke(rig: Rig, token: str, client: str) -> None:
    form = {"client_id": client, "client_secret": SECRET, "token": token}
    assert (await rig.call("POST", "/application/o/revoke/", form=form)).status == 200


def refused(response: Response) -> bool:
    return response.status == 400 and json_of(response)["error"] == "invalid_grant"


class TestSource:
    async def test_the_subject_acts_as_an_account_of_its_own(self, both: Rig, issuer: Issuer) -> None:
        federate(both, issuer)
        response = await ask(both, issuer.token(both.now), scope="openid profile")
        assert response.status == 200, response.body
        claims = await verified(both, json_of(response)["access_token"])
        assert claims["preferred_username"] == NAME
        assert (await introspect(both, json_of(response)["access_token"]))["active"] is True
        rows = await both.rows("SELECT * FROM directory_user WHERE kind = 'service_account'")
        assert [(row["username"], row["path"]) for row in rows] == [(NAME, "goauthentik.io/sources/forge")]
        assert json.loads(rows[0]["attributes"]) == {
            "goauthentik.io/user/generated": True,
            "ostiary/identity": {"source": "src", "iss": issuer.url, "sub": "robot"},
        }
        context = json.loads((await both.events("login"))[-1]["context"])
        assert context["auth_method"] == "jwt"
        assert context["auth_method_args"]["source"]["slug"] == "forge"
        again = await verified(both, json_of(await ask(both, issuer.token(both.now)))["access_token"])
        assert again["sub"] == claims["sub"]

    async def test_keys_are_read_once(self, federated: Rig, issuer: Issuer) -> None:
        for _ in range(3):
            assert (await ask(federated, issuer.token(federated.now))).status == 200
        assert issuer.asked == ["/.well-known/openid-configuration", "/jwks"]

    async def test_many_at_once_make_one_account_and_one_reading(self, both: Rig, issuer: Issuer) -> None:
        federate(both, issuer)
        answers = await asyncio.gather(*(ask(both, issuer.token(both.now)) for _ in range(20)))
        assert {one.status for one in answers} == {200}
        assert len(await both.rows("SELECT pk FROM directory_user WHERE kind = 'service_account'")) == 1
        assert len(issuer.asked) == 2

    async def test_given_keys(self, rig: Rig, issuer: Issuer) -> None:
        federate(rig, issuer, oidc_well_known_url="", oidc_jwks=issuer.documents["/jwks"])
        assert (await ask(rig, issuer.token(rig.now, iss="https://anybody.example"))).status == 200
        assert issuer.asked == []

    async def test_an_address_of_keys(self, rig: Rig, issuer: Issuer) -> None:
        federate(rig, issuer, oidc_well_known_url="", oidc_jwks_url=f"{issuer.url}/jwks")
        assert (await ask(rig, issuer.token(rig.now))).status == 200

    @pytest.mark.parametrize("kind", ["rsa", "ed"])
    async def test_other_keys(self, federated: Rig, issuer: Issuer, kind: str) -> None:
        issuer.publish(one=Key(kind))
        assert (await ask(federated, issuer.token(federated.now))).status == 200

    @pytest.mark.parametrize(
        "audience",
        ["wiki", "us-at-forge", f"{BASE}/application/o/wiki/", f"{BASE}/application/o/token/", ["x", "wiki"]],
    )
    async def test_audiences_that_are_us(self, federated: Rig, issuer: Issuer, audience: object) -> None:
        assert (await ask(federated, issuer.token(federated.now, aud=audience))).status == 200

    async def test_an_audience_that_the_administrator_names(self, federated: Rig, issuer: Issuer) -> None:
        token = issuer.token(federated.now, aud="https://kubernetes.default.svc")
        assert refused(await ask(federated, token))
        names = ("https://kubernetes.default.svc",)
        federated.change(provider(1, jwt_federation_sources=("src",), jwt_federation_audiences=names))
        assert (await ask(federated, token)).status == 200

    async def test_a16_meant_for_somebody_else(self, federated: Rig, issuer: Issuer) -> None:
        for audience in (None, "other", [], [7], {"wiki": 1}, "https://kubernetes.default.svc"):
            assert refused(await ask(federated, issuer.token(federated.now, aud=audience))), audience

    async def test_a10_an_issuer_that_is_not_the_sources(self, federated: Rig, issuer: Issuer) -> None:
        for iss in (None, "https://other.example", f"{issuer.url}/", 7):
            assert refused(await ask(federated, issuer.token(federated.now, iss=iss))), iss

    async def test_times(self, federated: Rig, issuer: Issuer) -> None:
        seconds = federated.now // SECOND
        for claims in ({"exp": None}, {"exp": seconds - 31}, {"nbf": seconds + 60}, {"iat": seconds + 60}):
            assert refused(await ask(federated, issuer.token(federated.now, **claims))), claims

    async def test_a14_signatures_of_others(self, federated: Rig, issuer: Issuer) -> None:
        token, stranger = issuer.token(federated.now), Key()
        forged = Issuer(url=issuer.url, keys={"one": stranger})
        for bad in (
            forged.token(federated.now),
            forged.token(federated.now, header={"jwk": stranger.jwk}),
            forged.token(federated.now, header={"jku": "http://127.0.0.1:1/", "kid": None}),
            issuer.token(federated.now, header={"alg": "none"}),
            issuer.token(federated.now, header={"crit": ["exp"]}),
            token[:-4] + "AAAA",
            token.rpartition(".")[0] + ".",
            "x.y.z",
            "",
            token + "A" * 40_000,
        ):
            assert (await ask(federated, bad)).status in {400, 401}, bad[:80]
        assert not await federated.rows("SELECT pk FROM directory_user WHERE kind = 'service_account'")

    @pytest.mark.parametrize("typ", ["logout+jwt", "dpop+jwt", "secevent+jwt", 7])
    async def test_a14_another_kind_of_token(self, federated: Rig, issuer: Issuer, typ: object) -> None:
        assert refused(await ask(federated, issuer.token(federated.now, header={"typ": typ})))
        assert refused(await ask(federated, issuer.token(federated.now, events={"x": {}})))

    async def test_a18_a_source_that_is_disabled(self, federated: Rig, issuer: Issuer) -> None:
        federate(federated, issuer, enabled=False)
        assert refused(await ask(federated, issuer.token(federated.now)))
        assert issuer.asked == []

    async def test_a_source_that_is_not_the_providers(self, federated: Rig, issuer: Issuer) -> None:
        assert refused(await ask(federated, issuer.token(federated.now, aud="other"), client="other"))
        federated.drop("authentik_sources_oauth.oauthsource", "src")
        assert refused(await ask(federated, issuer.token(federated.now)))

    async def test_the_token_ends_with_its_proof(self, federated: Rig, issuer: Issuer) -> None:
        answer = json_of(await ask(federated, issuer.token(federated.now, exp=federated.now // SECOND + 100)))
        assert answer["expires_in"] == 100
        assert (await verified(federated, answer["access_token"]))["exp"] == federated.now // SECOND + 100
        federated.now += 101 * SECOND
        assert (await introspect(federated, answer["access_token"]))["active"] is False
        long = json_of(await ask(federated, issuer.token(federated.now, exp=federated.now // SECOND + 10**6)))
        assert long["expires_in"] == 3600

    async def test_policies_decide(self, federated: Rig, issuer: Issuer) -> None:
        federated.change(PolicyBinding(pk="only-ada", target="app", user=7, order=0))
        assert refused(await ask(federated, issuer.token(federated.now)))

    async def test_a58_a_disabled_account(self, federated: Rig, issuer: Issuer) -> None:
        assert (await ask(federated, issuer.token(federated.now))).status == 200
        await federated.run(Statement("UPDATE directory_user SET is_active = 0 WHERE username = ?", (NAME,)))
        assert refused(await ask(federated, issuer.token(federated.now)))

    async def test_an_account_that_somebody_made_is_not_taken_over(self, federated: Rig, issuer: Issuer) -> None:
        await federated.run(insert(user(50, NAME)))
        assert refused(await ask(federated, issuer.token(federated.now)))

    async def test_a16_names_that_fall_together_are_nobody_elses(self, federated: Rig, issuer: Issuer) -> None:
        """Subjects differ by case, and the hyphen of the name may stand in either half."""
        assert (await ask(federated, issuer.token(federated.now))).status == 200
        assert refused(await ask(federated, issuer.token(federated.now, sub="ROBOT")))
        assert (await ask(federated, issuer.token(federated.now, sub="1-robot"))).status == 200
        federated.change(provider(1, name="provider 1-1", jwt_federation_sources=("src",)))
        assert refused(await ask(federated, issuer.token(federated.now)))

    @pytest.mark.parametrize("sub", [None, "", 7, "x" * 256, "a\0b", "a\ud800", "a\nb", "a\u202eb"])
    async def test_subjects_that_are_none(self, federated: Rig, issuer: Issuer, sub: object) -> None:
        assert refused(await ask(federated, issuer.token(federated.now, sub=sub)))

    async def test_new_keys_are_found_at_most_once_a_minute(self, federated: Rig, issuer: Issuer) -> None:
        assert (await ask(federated, issuer.token(federated.now))).status == 200
        issuer.publish(two=Key())
        asked = len(issuer.asked)
        for _ in range(5):
            assert refused(await ask(federated, issuer.token(federated.now, kid="two")))
        assert len(issuer.asked) == asked
        federated.now += 61 * SECOND
        assert (await ask(federated, issuer.token(federated.now, kid="two"))).status == 200

    async def test_an_issuer_that_is_away(self, federated: Rig, issuer: Issuer) -> None:
        issuer.status = 503
        for _ in range(3):
            assert refused(await ask(federated, issuer.token(federated.now)))
        assert len(issuer.asked) == 1
        issuer.status, federated.now = 200, federated.now + 61 * SECOND
        assert (await ask(federated, issuer.token(federated.now))).status == 200
        issuer.status, federated.now = 503, federated.now + 3601 * SECOND
        assert (await ask(federated, issuer.token(federated.now))).status == 200  # with what was read before
        federated.now += 4 * 3600 * SECOND
        assert refused(await ask(federated, issuer.token(federated.now)))


class TestDescent:
    """What is made of a token of our own ends with it."""

    @pytest.fixture
    async def chain(self, both: Rig) -> list[str]:
        """A token of client "other", one of client "wiki" made of it, and one of "third" made of that."""
        from ostiary.applications.resources import Application

        both.change(
            provider(1, jwt_federation_providers=(2,)),
            provider(3, client_id="third", jwt_federation_providers=(1,)),
            Application(pk="third", name="Third", slug="third", provider=3),
        )
        first = json_of(await both.token(("other", SECRET), grant_type="client_credentials"))["access_token"]
        second = json_of(await ask(both, first))["access_token"]
        return [first, second, json_of(await ask(both, second, "third"))["access_token"]]

    async def active(self, rig: Rig, chain: list[str]) -> list[bool]:
        clients = ("other", "wiki", "third")
        return [(await introspect(rig, *pair))["active"] for pair in zip(chain, clients, strict=True)]

    async def test_a18_revoking_the_source_ends_what_came_of_it(self, both: Rig, chain: list[str]) -> None:
        assert await self.active(both, chain) == [True, True, True]
        await revoke(both, chain[0], "wiki")  # not its own: left alone
        assert await self.active(both, chain) == [True, True, True]
        await revoke(both, chain[1], "wiki")
        assert await self.active(both, chain) == [True, False, False]
        await revoke(both, chain[0], "other")
        assert await self.active(both, chain) == [False, False, False]

    async def test_a18_all_of_it(self, both: Rig, chain: list[str]) -> None:
        await revoke(both, chain[0], "other")
        assert await self.active(both, chain) == [False, False, False]
        for statement in (sweep(both.now) for sweep in SWEEPS):
            await both.run(statement)
        assert not await both.rows("SELECT token FROM access_descent")

    async def test_nothing_outlives_its_source(self, both: Rig, chain: list[str]) -> None:
        both.now += 3599 * SECOND
        late = json_of(await ask(both, chain[0]))
        assert late["expires_in"] == 1
        both.now += SECOND
        assert await self.active(both, [late["access_token"]] * 3) == [False, False, False]

    async def test_revoking_and_making_at_once(self, both: Rig) -> None:
        both.change(provider(1, jwt_federation_providers=(2,)))
        for _ in range(10):
            first = json_of(await both.token(("other", SECRET), grant_type="client_credentials"))["access_token"]
            answers = await asyncio.gather(*(ask(both, first) for _ in range(4)), revoke(both, first, "other"))
            made = [json_of(one)["access_token"] for one in answers[:4] if one is not None and one.status == 200]
            for token in made:
                assert (await introspect(both, token))["active"] is False


async def test_a58_a_token_stored_while_its_account_is_disabled(both: Rig) -> None:
    """The person was read as active; the row comes after everything of the account was deleted."""
    token = json_of(await both.token(grant_type="client_credentials"))["access_token"]
    assert (await introspect(both, token))["active"] is True
    await both.run(Statement("UPDATE directory_user SET is_active = 0 WHERE kind = 'service_account'"))
    assert (await introspect(both, token))["active"] is False
    await both.run(Statement("DELETE FROM directory_user WHERE kind = 'service_account'"))
    assert (await introspect(both, token))["active"] is False


GOOD = {"name": "F", "slug": "f", "provider_type": "github", "consumer_key": "k", "consumer_secret": "s"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"oidc_jwks_url": "http://forge.example/jwks"}, "oidc_jwks_url"),
        ({"oidc_well_known_url": "ftp://forge.example/"}, "oidc_well_known_url"),
        ({"oidc_jwks": {"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}}, "oidc_jwks"),
        ({"oidc_jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}}, "oidc_jwks"),
        ({"user_path_template": "a/%(name)s"}, "user_path_template"),
        ({"authorization_url": "javascript:x"}, "authorization_url"),
        ({"additional_scopes": "a\nb"}, "additional_scopes"),
    ],
)
def test_a_source_is_checked(changes: dict[str, Any], field: str) -> None:
    kind = OAuthSource.KIND
    with pytest.raises(InvalidResource) as caught:
        kind.make("x", kind.parse({**GOOD, **changes}))
    assert [problem.field for problem in caught.value.problems] == [field]


def test_what_a_source_is_without_further_words() -> None:
    kind = OAuthSource.KIND
    made = kind.make("x", kind.parse(GOOD))
    assert (made.enabled, made.user_matching_mode, made.pkce, made.policy_engine_mode) == (
        True,
        "identifier",
        "none",
        "any",
    )
    assert (made.user_path, made.authorization_code_auth_method) == ("goauthentik.io/sources/f", "basic_auth")
