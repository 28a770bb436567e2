"""The forms of tokens: algorithms, access token formats, encryption, signed userinfo and introspection, subjects."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jwe, jwt
from joserfc.jwk import ECKey, KeySet, KeySetSerialization, RSAKey
from oauth2_rig import BASE, SECRET, START, Rig, json_of, pair, provider, user, verified

from ostiary.directory.users import insert
from ostiary.grants.binding import Binding
from ostiary.keys.certificate import generate_self_signed
from ostiary.keys.resources import CertificateKeyPair
from ostiary.keys.signer import kid_of
from ostiary.mappings.mapping_context import MappingContext
from ostiary.mappings.scope_mapping import ScopeMapping
from ostiary.mappings.stock import STOCK
from ostiary.proto.jose import BadSignature, SigningKey, base64url_decode, peek_header, sign
from ostiary.providers.oauth2.provider.client import client_by_id
from ostiary.providers.oauth2.provider.fields import RedirectURI
from ostiary.providers.oauth2.tokens.claims import half_hash, pairwise
from ostiary.providers.oauth2.tokens.issue import issue_front, issue_tokens, new_refresh
from ostiary.web.response import Response

ISSUER = f"{BASE}/application/o/wiki/"
MAPPING_CONTEXT = MappingContext(now=START, evaluator=None)
TYPES: dict[str, Any] = {
    "RS": "rsa-2048",
    "PS": "rsa-2048",
    "ES256": "ec-p256",
    "ES384": "ec-p384",
    "ES512": "ec-p521",
    "Ed": "ed25519",
}


@cache
def made(kind: str) -> CertificateKeyPair:
    pair = generate_self_signed(kind, "test", key_type=kind, now=START)  # type: ignore[arg-type]
    return CertificateKeyPair(
        pk=f"key-{kind}", name=kind, certificate_data=pair.certificate_data, key_data=pair.key_data
    )


def signed_by(rig: Rig, algorithm: str, **changes: object) -> None:
    kind = next(name for prefix, name in TYPES.items() if algorithm.startswith(prefix))
    rig.change(made(kind), provider(1, signing_key=f"key-{kind}", signing_alg=algorithm, **changes))


def payload(token: str) -> dict[str, Any]:
    return dict(json.loads(base64url_decode(token.split(".")[1])))


async def tokens(rig: Rig, **changes: str) -> dict[str, Any]:
    await rig.browser.sign_in()
    return await rig.browser.tokens(**changes)


async def userinfo(rig: Rig, token: str) -> Response:
    return await rig.call("GET", "/application/o/userinfo/", headers={"authorization": f"Bearer {token}"})


async def introspect(rig: Rig, token: str, accept: str = "application/json", **basic: Any) -> Response:
    import base64

    header = "Basic " + base64.b64encode(f"wiki:{SECRET.replace('%', '%25')}".encode()).decode()
    return await rig.call(
        "POST", "/application/o/introspect/", form={"token": token}, headers={"authorization": header, "accept": accept}
    )


def opened(token: str, holder: CertificateKeyPair, *algorithms: str) -> str:
    key = load_pem_private_key(holder.key_data.reveal().encode(), password=None)
    kind = RSAKey if "RSA" in type(key).__name__ else ECKey
    found = jwe.decrypt_compact(token, kind.import_key(holder.key_data.reveal()), algorithms=list(algorithms))
    assert found.headers()["cty"] == "JWT"
    assert found.plaintext is not None
    return found.plaintext.decode()


class TestAlgorithms:
    @pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512"])
    async def test_tokens_and_keys_agree(self, rig: Rig, algorithm: str) -> None:
        signed_by(rig, algorithm)
        found = await tokens(rig)
        keys = json_of(await rig.call("GET", "/application/o/wiki/jwks/"))
        assert [key["alg"] for key in keys["keys"]] == [algorithm]
        for token in (found["id_token"], found["access_token"]):
            assert (
                jwt.decode(
                    token, KeySet.import_key_set(cast("KeySetSerialization", keys)), algorithms=[algorithm]
                ).header["alg"]
                == algorithm
            )
        assert payload(found["id_token"])["at_hash"] == half_hash(found["access_token"], algorithm)
        document = json_of(await rig.call("GET", "/application/o/wiki/.well-known/openid-configuration"))
        assert document["id_token_signing_alg_values_supported"] == [algorithm]

    async def test_hs256_beside_a_key(self, rig: Rig) -> None:
        rig.change(provider(1, signing_alg="HS256"))
        found = await tokens(rig)
        assert peek_header(found["id_token"])["alg"] == "HS256"
        assert json_of(await rig.call("GET", "/application/o/wiki/jwks/")) == {}
        await verified(rig, found["id_token"])

    async def test_a_key_changed_to_a_type_that_does_not_fit_is_not_served(self, rig: Rig) -> None:
        rig.change(provider(1, signing_alg="PS256"))  # key-ec was an RSA key when the provider was saved
        assert (await rig.call("GET", "/application/o/wiki/jwks/")).status == 404

    async def test_a14_own_tokens_are_checked_by_their_key_and_algorithm_only(self, rig: Rig) -> None:
        signed_by(rig, "RS256")
        client = client_by_id(rig.plane.snapshot, "wiki")
        assert client is not None
        claims = b'{"sub":"x"}'
        assert client.read_own(client.sign(claims)) == {"sub": "x"}
        key = load_pem_private_key(made("rsa-2048").key_data.reveal().encode(), password=None)
        kid = client.key.kid
        for forged in (
            sign(claims, SigningKey(key, kid=kid, algorithm="PS256")),  # type: ignore[arg-type]
            sign(claims, SigningKey(made("rsa-2048").certificate_data.encode(), kid=kid)),  # HS256 of what is public
            sign(claims, SigningKey(SECRET.encode(), kid=kid)),
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.",
        ):
            with pytest.raises(BadSignature):
                client.read_own(forged)


class TestFormats:
    async def test_rfc9068(self, rig: Rig) -> None:
        rig.change(provider(1, access_token_format="rfc9068"))
        found = await tokens(rig)
        assert peek_header(found["access_token"])["typ"] == "at+jwt"
        claims = await verified(rig, found["access_token"])
        assert claims.items() >= {"aud": ISSUER, "iss": ISSUER, "client_id": "wiki"}.items()
        assert {"exp", "iat", "jti", "sub", "auth_time", "acr", "scope"} <= set(claims)
        assert "nonce" not in claims
        assert claims["jti"] != payload(found["id_token"])["jti"]
        assert (await userinfo(rig, found["access_token"])).status == 200

    async def test_opaque(self, rig: Rig) -> None:
        rig.change(provider(1, access_token_format="opaque"))
        found = await tokens(rig)
        assert len(base64url_decode(found["access_token"])) == 32
        assert json_of(await userinfo(rig, found["access_token"]))["email"] == "ada@example.org"
        told = json_of(await introspect(rig, found["access_token"]))
        assert told.items() >= {"active": True, "client_id": "wiki", "iss": ISSUER, "token_type": "Bearer"}.items()
        assert told["sub"] == payload(found["id_token"])["sub"]
        assert (
            await rig.call(
                "POST",
                "/application/o/revoke/",
                form={"token": found["access_token"], "client_id": "wiki", "client_secret": SECRET},
            )
        ).status == 200
        assert json_of(await introspect(rig, found["access_token"])) == {"active": False}
        assert json_of(await introspect(rig, found["refresh_token"]))["active"] is True

    async def test_resources_are_the_audience(self, rig: Rig) -> None:
        rig.change(provider(1, resources=("https://api.example.org/", "https://b.example.org/")))
        one = await tokens(rig, resource="https://api.example.org/")
        assert payload(one["access_token"])["aud"] == ["https://api.example.org/", ISSUER]  # userinfo is at the issuer
        assert payload(one["id_token"])["aud"] == "wiki"
        bare = await rig.browser.tokens(resource="https://api.example.org/", scope="email")
        assert payload(bare["access_token"])["aud"] == "https://api.example.org/"

    async def test_round_trips_are_the_same_for_every_form(self, rig: Rig) -> None:
        for form in ("jwt", "rfc9068", "opaque"):
            rig.change(provider(1, access_token_format=form, userinfo_signed=True))
            found = await tokens(rig)
            rig.database.trips = 0
            await userinfo(rig, found["access_token"])
            assert rig.database.trips == 2
            rig.database.trips = 0
            await introspect(rig, found["access_token"], "application/token-introspection+jwt")
            assert rig.database.trips == 1


class TestEncryption:
    async def test_authentiks_encryption_key(self, rig: Rig) -> None:
        rig.change(made("rsa-2048"), provider(1, encryption_key="key-rsa-2048", userinfo_signed=True))
        found = await tokens(rig)
        algorithms = ("RSA-OAEP-256", "A256CBC-HS512")
        inner = opened(found["id_token"], made("rsa-2048"), *algorithms)
        access = opened(found["access_token"], made("rsa-2048"), *algorithms)
        claims = await verified_signature(rig, inner)
        assert claims["aud"] == "wiki"
        assert claims["at_hash"] == half_hash(found["access_token"], "ES256")
        assert (await verified_signature(rig, access))["azp"] == "wiki"
        # The row is found by the text the client has, and by no other.
        assert json_of(await introspect(rig, found["access_token"]))["sub"] == claims["sub"]
        assert json_of(await introspect(rig, access)) == {"active": False}
        answer = await userinfo(rig, found["access_token"])
        told = await verified_signature(rig, opened(answer.body.decode(), made("rsa-2048"), *algorithms))
        assert told["email"] == "ada@example.org"
        keys = json_of(await rig.call("GET", "/application/o/wiki/jwks/"))["keys"]
        assert [(key["use"], key["alg"], key.get("enc")) for key in keys] == [
            ("sig", "ES256", None), ("enc", "RSA-OAEP-256", "A256CBC-HS512"),
        ]  # fmt: skip

    @pytest.mark.parametrize("content", ["A256GCM", "A256CBC-HS512"])
    async def test_the_clients_own_key_is_for_what_is_its_own(self, rig: Rig, content: str) -> None:
        mine = made("ec-p384")
        jwk = ECKey.import_key(mine.key_data.reveal()).as_dict(private=False) | {"use": "enc", "kid": "mine"}
        rig.change(
            provider(
                1, jwks={"keys": [{"kty": "oct", "use": "sig"}, jwk]}, encryption_alg="ECDH-ES", encryption_enc=content
            )
        )
        found = await tokens(rig)
        assert peek_header(found["id_token"].split(".")[0] + "..")["kid"] == "mine"
        await verified_signature(rig, opened(found["id_token"], mine, "ECDH-ES", content))
        await verified(rig, found["access_token"])  # which is for others
        assert json_of(await userinfo(rig, found["access_token"]))["email"] == "ada@example.org"

    async def test_without_its_pair_nothing_is_served_plain(self, rig: Rig) -> None:
        rig.change(provider(1, encryption_key="gone"))
        assert (await rig.call("GET", "/application/o/wiki/jwks/")).status == 404
        assert (await rig.browser.authorize()).status == 400


async def verified_signature(rig: Rig, token: str) -> dict[str, Any]:
    keys = json_of(await rig.call("GET", "/application/o/wiki/jwks/"))["keys"]
    signing = KeySet.import_key_set({"keys": [key for key in keys if key["use"] == "sig"]})
    return dict(jwt.decode(token, signing, algorithms=["ES256"]).claims)


class TestUserinfo:
    async def test_signed(self, rig: Rig) -> None:
        rig.change(provider(1, userinfo_signed=True))
        found = await tokens(rig)
        answer = await userinfo(rig, found["access_token"])
        assert answer.header("content-type") == "application/jwt"
        assert answer.header("cache-control") == "no-store"
        claims = await verified(rig, answer.body.decode())
        assert claims.items() >= {"iss": ISSUER, "aud": "wiki", "sub": payload(found["id_token"])["sub"]}.items()

    async def test_claims_are_fresh_and_the_subject_is_not(self, rig: Rig) -> None:
        rig.change(provider(1, sub_mode="user_email"))
        found = await tokens(rig)
        await rig.run(*_renamed())
        told = json_of(await userinfo(rig, found["access_token"]))
        assert told["email"] == "new@example.org"
        assert told["sub"] == payload(found["id_token"])["sub"] == "ada@example.org"

    async def test_single_claims_that_were_asked_for(self, rig: Rig) -> None:
        asked = json.dumps(
            {"userinfo": {"email": None, "shoe_size": None}, "id_token": {"nickname": {"essential": True}}}
        )
        rig.change(provider(1, include_claims_in_id_token=False))
        found = await tokens(rig, scope="openid", claims=asked)
        identity, told = payload(found["id_token"]), json_of(await userinfo(rig, found["access_token"]))
        assert identity["nickname"] == "ada"
        assert "email" not in identity
        assert {name: told[name] for name in told if name not in {"sub", "nonce"}} == {"email": "ada@example.org"}

    async def test_address_and_phone(self, rig: Rig) -> None:
        extra = [
            ScopeMapping(pk=item.managed, name=item.name, scope_name=item.scope_name, expression=item.expression)
            for item in STOCK[-2:]
        ]
        rig.change(*extra, provider(1, property_mappings=tuple(item.managed for item in (*STOCK[:5], *STOCK[-2:]))))
        address = {"locality": "London", "country": "GB"}
        await rig.run(insert(user(10, "bo", attributes={"address": address, "phone": "+4420"})))
        await rig.browser.sign_in(10, "bo")
        found = await rig.browser.tokens(scope="openid address phone")
        told = json_of(await userinfo(rig, found["access_token"]))
        assert told.items() >= {"address": address, "phone_number": "+4420", "phone_number_verified": False}.items()

    async def test_errors_name_the_client_for_its_own_pages(self, rig: Rig) -> None:
        found = await tokens(rig, scope="email")
        answer = await rig.call(
            "GET",
            "/application/o/userinfo/",
            headers={"authorization": f"Bearer {found['access_token']}", "origin": "https://app.example.org"},
        )
        assert answer.status == 403
        assert answer.header("access-control-allow-origin") == "https://app.example.org"


def _renamed() -> list[Any]:
    from ostiary.store.database import Statement

    return [Statement("UPDATE directory_user SET email = ? WHERE pk = 7", ("new@example.org",))]


class TestIntrospection:
    async def test_signed(self, rig: Rig) -> None:
        found = await tokens(rig)
        answer = await introspect(rig, found["access_token"], "text/html, application/token-introspection+jwt;q=0.9")
        assert answer.header("content-type") == "application/token-introspection+jwt"
        assert peek_header(answer.body.decode())["typ"] == "token-introspection+jwt"
        claims = await verified(rig, answer.body.decode())
        assert set(claims) == {"iss", "aud", "iat", "token_introspection"}
        assert (claims["iss"], claims["aud"]) == (ISSUER, "wiki")
        assert claims["token_introspection"] == json_of(await introspect(rig, found["access_token"]))

    async def test_signed_though_the_token_is_unknown(self, rig: Rig) -> None:
        signed_by(rig, "RS256")
        answer = await introspect(rig, "x.y.z", "application/token-introspection+jwt")
        assert (await verified(rig, answer.body.decode()))["token_introspection"] == {"active": False}

    async def test_plain_for_everybody_else(self, rig: Rig) -> None:
        assert (await introspect(rig, "x.y.z", "*/*")).header("content-type") == "application/json"


class TestSubjects:
    async def test_pairwise(self, rig: Rig) -> None:
        rig.change(provider(1, sub_mode="pairwise"), provider(2, sub_mode="pairwise", client_id="other"))
        found = await tokens(rig)
        sub = payload(found["id_token"])["sub"]
        subject = await rig.services.users.subject(7)
        assert subject is not None
        assert sub == pairwise("app.example.org", subject.uid, salt=rig.services.users.install_id)
        assert sub != subject.uid
        assert json_of(await userinfo(rig, found["access_token"]))["sub"] == sub
        # Another client of the same host knows the same person, one elsewhere does not.
        elsewhere = (RedirectURI("strict", "https://elsewhere.example/"),)
        ours = client_by_id(rig.plane.snapshot, "other")
        rig.change(provider(2, sub_mode="pairwise", client_id="other", redirect_uris=elsewhere))
        theirs = client_by_id(rig.plane.snapshot, "other")
        assert ours is not None
        assert theirs is not None
        from ostiary.providers.oauth2.tokens.claims import sub_claim

        assert sub_claim(subject, ours, salt=rig.services.users.install_id) == sub
        assert sub_claim(subject, theirs, salt=rig.services.users.install_id) != sub
        assert sub_claim(subject, ours, salt="another installation") != sub

    def test_parts_do_not_run_into_each_other(self) -> None:
        assert pairwise("a", "bc", salt="d") != pairwise("ab", "c", salt="d") != pairwise("a", "b", salt="cd")


class TestIssue:
    """What the endpoints may ask of issue_tokens and issue_front."""

    async def authorized(self, rig: Rig, **changes: Any) -> tuple[Any, Any, Any]:
        from ostiary.grants.family import Authorization

        client, subject = client_by_id(rig.plane.snapshot, "wiki"), await rig.services.users.subject(7)
        item = Authorization(
            family="f", provider=1, user=7, session=None, offline=False, scope=("openid", "email"), nonce="n", auth_time=START,
            amr=(), sid=None, sub="s",
        )  # fmt: skip
        return client, replace(item, **changes), subject

    async def test_a_front_answer_names_what_it_came_with(self, rig: Rig) -> None:
        made = await self.authorized(rig)
        front = await issue_front(
            *made,
            mapping_context=MAPPING_CONTEXT,
            issuer=ISSUER,
            access=True,
            identify=True,
            code="co",
            state="st",
            now=START,
        )
        assert front.id_token is not None
        assert front.access_token is not None
        assert front.access is not None
        claims = payload(front.id_token)
        assert claims["c_hash"] == half_hash("co", "ES256")
        assert claims["s_hash"] == half_hash("st", "ES256")
        assert claims["at_hash"] == half_hash(front.access_token, "ES256")
        assert claims["nonce"] == "n"
        assert front.expires_in == 3600

    async def test_parts_that_were_not_asked_for(self, rig: Rig) -> None:
        made = await self.authorized(rig)
        alone = await issue_front(
            *made,
            mapping_context=MAPPING_CONTEXT,
            issuer=ISSUER,
            access=False,
            identify=True,
            code=None,
            state=None,
            now=START,
        )
        assert (alone.access_token, alone.access) == (None, None)
        assert not {"at_hash", "c_hash", "s_hash"} & set(payload(alone.id_token or ""))
        bare = await issue_front(
            *made,
            mapping_context=MAPPING_CONTEXT,
            issuer=ISSUER,
            access=True,
            identify=False,
            code=None,
            state=None,
            now=START,
        )
        assert bare.id_token is None

    async def test_an_id_token_alone_has_the_claims_nobody_can_ask_for(self, rig: Rig) -> None:
        rig.change(provider(1, include_claims_in_id_token=False))
        made = await self.authorized(rig)
        alone = await issue_front(
            *made,
            mapping_context=MAPPING_CONTEXT,
            issuer=ISSUER,
            access=False,
            identify=True,
            code=None,
            state=None,
            now=START,
        )
        assert payload(alone.id_token or "")["email"] == "ada@example.org"
        more = await issue_front(
            *made,
            mapping_context=MAPPING_CONTEXT,
            issuer=ISSUER,
            access=True,
            identify=True,
            code=None,
            state=None,
            now=START,
        )
        assert "email" not in payload(more.id_token or "")

    async def test_bound_tokens_and_no_identity(self, rig: Rig) -> None:
        made = await self.authorized(rig, acr="high")
        issued = await issue_tokens(
            *made, mapping_context=MAPPING_CONTEXT, scope=("openid",), issuer=ISSUER, refresh=new_refresh(), nonce=None, now=START, identify=False,
            binding=Binding(jkt="thumb"), resources=("https://api/",),
        )  # fmt: skip
        claims = payload(issued.answer.access_token)
        assert claims["cnf"] == {"jkt": "thumb"}
        assert claims["acr"] == "high"
        assert claims["aud"] == ["https://api/", ISSUER]
        assert issued.answer.token_type == "DPoP"
        assert issued.answer.id_token is None
        assert issued.refresh is None  # no offline_access
        assert issued.access.binding == Binding(jkt="thumb")

    def test_a_mapping_cannot_forge_what_the_protocol_says(self) -> None:
        from ostiary.providers.oauth2.tokens.claims import add_claims

        into: dict[str, object] = {"sub": "s", "aud": "wiki"}
        forged = ("aud", "cnf", "client_id", "at_hash", "c_hash", "s_hash", "sid", "uid", "iss", "exp", "jti", "nonce")
        add_claims(into, dict.fromkeys(forged, "x") | {"sub": "mapped", "email": "e"})
        assert into == {"sub": "mapped", "aud": "wiki", "email": "e"}


async def test_keys_that_signed_before_are_published_and_still_good_for_hints(rig: Rig) -> None:
    found = await tokens(rig)
    rig.change(made("rsa-2048"), provider(1, signing_key="key-rsa-2048", previous_signing_keys=("key-ec", "gone")))
    keys = json_of(await rig.call("GET", "/application/o/wiki/jwks/"))["keys"]
    assert [key["kid"] for key in keys] == [kid_of(made("rsa-2048")), kid_of(pair("ec"))]
    assert keys[1]["alg"] == "ES256"
    rig.change(provider(1, previous_signing_keys=("key-rsa-2048",)))
    (_, old) = json_of(await rig.call("GET", "/application/o/wiki/jwks/"))["keys"]
    assert "alg" not in old  # it may have signed by any of its algorithms
    rig.change(provider(1, signing_key="key-rsa-2048", previous_signing_keys=("key-ec", "gone")))
    assert not {"d", "p", "q", "k"} & {name for key in keys for name in key}
    assert (await verified(rig, found["id_token"]))["aud"] == "wiki"
    client = client_by_id(rig.plane.snapshot, "wiki")
    assert client is not None
    assert client.read_own(found["id_token"])["aud"] == "wiki"


async def test_jwks_and_discovery_ask_no_database_and_are_made_once(rig: Rig) -> None:
    rig.database.trips = 0
    for path in ("jwks/", ".well-known/openid-configuration"):
        first = await rig.call("GET", f"/application/o/wiki/{path}")
        assert (await rig.call("GET", f"/application/o/wiki/{path}")).body == first.body
    assert rig.database.trips == 0
    assert rig.plane.snapshot.memo(("oauth2.jwks", 1), bytes) != b""
