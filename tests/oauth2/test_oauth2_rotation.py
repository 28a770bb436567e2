"""Changing signing keys, and whether a provider's keys fit it: through the same save as every other change."""

from __future__ import annotations

from typing import Any

import pytest
from oauth2_rig import SECOND, START
from support.program import Clock, open_program

from ostiary.keys.certificate import DEFAULT_VALIDITY, generate_self_signed, key_type_of
from ostiary.keys.errors import CannotRotate
from ostiary.keys.pem import read_private_key
from ostiary.keys.resources import CertificateKeyPair
from ostiary.providers.oauth2.provider.definition import OAuth2Provider
from ostiary.providers.oauth2.tokens.rotation import Retired, parse_algorithm, publish, retire, switch
from ostiary.resource import InvalidResource
from ostiary.seal import Secret
from ostiary.store.database import Database
from ostiary.store.workspace.editor import Editor, Workspace

HOUR = 3600 * SECOND
PAIR, PROVIDER = CertificateKeyPair.KIND.name, OAuth2Provider.KIND.name
CALLBACK = {"matching_mode": "strict", "url": "https://app.example.org/cb"}


class House:
    """Configuration alone: no directory, no requests."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor

    async def edit(self, work: Any, now: int = START) -> Any:
        return (await self.editor.edit(work, author="tests", message="", now=now))[0]

    async def pair(self, name: str, kind: Any = "ec-p256", *, private: bool = True) -> str:
        made = generate_self_signed(name, "test", key_type=kind, now=START)
        key = made.key_data if private else Secret("")
        values = {"name": name, "certificate_data": made.certificate_data, "key_data": key}

        async def work(workspace: Workspace) -> Any:
            return (await workspace.create(PAIR, values)).pk

        return str(await self.edit(work))

    async def provider(self, name: str, **fields: Any) -> None:
        async def work(workspace: Workspace) -> None:
            flow = (await workspace.match("authentik_flows.flow", [("slug", "silent")]))[0]
            await workspace.create(
                PROVIDER,
                {
                    "name": name,
                    "authorization_flow": flow.pk,
                    "invalidation_flow": flow.pk,
                    "redirect_uris": [CALLBACK],
                    **fields,
                },
            )

        await self.edit(work)

    async def change(self, name: str, now: int = START, **fields: Any) -> None:
        async def work(workspace: Workspace) -> None:
            await workspace.update((await workspace.match(PROVIDER, [("name", name)]))[0], fields)

        await self.edit(work, now)

    def one(self, name: str) -> OAuth2Provider:
        found = self.editor.plane.snapshot.find(OAuth2Provider, name=name)
        assert found is not None
        return found

    def name(self, pk: Any) -> str:
        found = self.editor.plane.snapshot.get(CertificateKeyPair, pk)
        assert found is not None
        return found.name

    def key(self, pk: Any) -> Any:
        found = self.editor.plane.snapshot.get(CertificateKeyPair, pk)
        assert found is not None
        return read_private_key(found.key_data.reveal())


@pytest.fixture
async def house(sqlite_database: Database) -> House:
    program = await open_program(sqlite_database, Clock(START))
    made = House(program.core.editor)

    async def flows(workspace: Workspace) -> None:
        values = {"name": "silent", "slug": "silent", "title": "silent", "designation": "authorization"}
        await workspace.create("authentik_flows.flow", values)

    await made.edit(flows)
    return made


async def rotated(house: House, name: str, now: int = START, **options: Any) -> Any:
    options.setdefault("algorithm", None)
    begun = await publish(house.editor, name, author="tests", now=now, **options)
    await switch(house.editor, begun, author="tests", now=now)
    return begun


class TestRotate:
    async def test_first_published_then_signing(self, house: House) -> None:
        old = await house.pair("main")
        await house.provider("wiki", signing_key=old)
        await house.provider("chat", signing_key=old)
        await house.provider("secret")
        begun = await publish(house.editor, "main", algorithm=None, author="tests", now=START)
        assert set(begun.providers) == {"wiki", "chat"}
        for name in ("wiki", "chat"):
            assert house.one(name).signing_key == old
            assert begun.new in house.one(name).previous_signing_keys
        assert set(await switch(house.editor, begun, author="tests", now=START)) == {"wiki", "chat"}
        for name in ("wiki", "chat"):
            assert house.one(name).signing_key == begun.new
            assert old in house.one(name).previous_signing_keys
        assert house.one("secret").signing_key is None
        assert house.name(begun.new) == "main (rotated 2023-11-14)"

    async def test_by_the_name_of_a_provider_and_again(self, house: House) -> None:
        await house.provider("wiki", signing_key=await house.pair("main"))
        first = await rotated(house, "wiki")
        second = await rotated(house, "wiki")
        assert second.old == first.new
        assert second.new_name == "main (rotated 2023-11-14, 2)"
        assert house.one("wiki").previous_signing_keys[0] == second.new

    async def test_who_changed_the_key_meanwhile_keeps_it(self, house: House) -> None:
        await house.provider("wiki", signing_key=await house.pair("main"))
        begun = await publish(house.editor, "wiki", algorithm=None, author="tests", now=START)
        other = await house.pair("other")
        await house.change("wiki", signing_key=other)
        assert await switch(house.editor, begun, author="tests", now=START) == ()
        assert house.one("wiki").signing_key == other

    @pytest.mark.parametrize("kind", ["rsa-2048", "ec-p256", "ec-p384", "ec-p521", "ed25519"])
    async def test_the_type_stays(self, house: House, kind: str) -> None:
        await house.provider("wiki", signing_key=await house.pair("main", kind))
        assert key_type_of(house.key((await rotated(house, "main")).new)) == kind

    @pytest.mark.parametrize(
        ("old", "algorithm", "kind", "kept"),
        [
            ("rsa-2048", "ES256", "ec-p256", ""),
            ("rsa-2048", "PS256", "rsa-2048", "PS256"),
            ("ec-p256", "RS512", "rsa-2048", "RS512"),
            ("ec-p256", "ES384", "ec-p384", ""),
            ("ec-p256", "EdDSA", "ed25519", ""),
        ],
    )
    async def test_another_algorithm(self, house: House, old: str, algorithm: str, kind: str, kept: str) -> None:
        await house.provider("wiki", signing_key=await house.pair("main", old))
        begun = await rotated(house, "main", algorithm=parse_algorithm(algorithm))
        assert key_type_of(house.key(begun.new)) == kind
        assert house.one("wiki").signing_alg == kept

    async def test_an_algorithm_of_the_provider_follows_only_when_one_is_named(self, house: House) -> None:
        key = await house.pair("main", "rsa-2048")
        await house.provider("wiki", signing_key=key, signing_alg="PS256")
        await house.provider("plain", signing_key=key, signing_alg="HS256", client_secret="s" * 40)
        begun = await rotated(house, "main")
        assert house.one("wiki").signing_alg == "PS256"
        await rotated(house, begun.new_name, algorithm="ES256")
        assert (house.one("wiki").signing_alg, house.one("plain").signing_alg) == ("", "HS256")

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("nobody", "neither a provider nor a certificate-key pair named nobody"),
            ("unused", "no provider signs with unused"),
            ("secret", "signs with its client secret"),
        ],
    )
    async def test_what_cannot_be_rotated(self, house: House, name: str, told: str) -> None:
        await house.pair("unused")
        await house.provider("secret")
        with pytest.raises(CannotRotate, match=told):
            await publish(house.editor, name, algorithm=None, author="tests", now=START)
        assert house.editor.plane.snapshot.find(CertificateKeyPair, name="unused (rotated 2023-11-14)") is None

    def test_algorithms_by_name(self) -> None:
        assert parse_algorithm("") is None
        assert parse_algorithm("ES256") == "ES256"
        with pytest.raises(CannotRotate, match="HS256 is no algorithm for a key"):
            parse_algorithm("HS256")


class TestRetire:
    async def test_a_key_stays_until_its_last_token_has_expired(self, house: House) -> None:
        old = await house.pair("main")
        await house.provider("wiki", signing_key=old, access_token_validity="hours=2")
        await rotated(house, "main", now=START + HOUR)
        assert await retire(house.editor, author="tests", now=START + 3 * HOUR) == ()
        gone = await retire(house.editor, author="tests", now=START + 3 * HOUR + 600 * SECOND)
        assert gone == (Retired("wiki", "main"),)
        assert old not in house.one("wiki").previous_signing_keys
        assert house.name(old) == "main"
        assert await retire(house.editor, author="tests", now=START + 9 * HOUR) == ()

    async def test_the_lifetime_is_the_longest_since(self, house: House) -> None:
        await house.provider("wiki", signing_key=await house.pair("main"), access_token_validity="days=2")
        await rotated(house, "main")
        await house.change("wiki", START + HOUR, access_token_validity="minutes=5")
        assert await retire(house.editor, author="tests", now=START + 40 * HOUR) == ()
        assert await retire(house.editor, author="tests", now=START + 49 * HOUR) != ()

    async def test_a_key_that_was_only_published(self, house: House) -> None:
        await house.provider("wiki", signing_key=await house.pair("main"))
        begun = await publish(house.editor, "main", algorithm=None, author="tests", now=START)
        assert await retire(house.editor, author="tests", now=START + HOUR) == ()
        gone = await retire(house.editor, author="tests", now=START + 2 * HOUR)
        assert gone == (Retired("wiki", begun.new_name),)

    async def test_the_key_that_signs_stays(self, house: House) -> None:
        old = await house.pair("main")
        await house.provider("wiki", signing_key=old)
        begun = await rotated(house, "main")
        await house.change("wiki", signing_key=old)  # as a blueprint does that names the old pair
        assert begun.new in house.one("wiki").previous_signing_keys
        gone = await retire(house.editor, author="tests", now=START + 9 * HOUR)
        assert gone == (Retired("wiki", begun.new_name),)
        assert house.one("wiki").signing_key == old


class TestKeyCheck:
    """What check_keys tells when a provider is saved."""

    async def wrong(self, house: House, **fields: Any) -> dict[str, str]:
        with pytest.raises(InvalidResource) as caught:
            await house.provider("wiki", **fields)
        return {problem.field: problem.message for problem in caught.value.problems}

    async def test_signing(self, house: House) -> None:
        curve, half = await house.pair("curve"), await house.pair("half", private=False)
        assert (
            "RS256 does not fit the key, expected ES256"
            in (await self.wrong(house, signing_key=curve, signing_alg="RS256")).values()
        )
        told = await self.wrong(house, signing_alg="ES256")
        assert told == {"signing_alg": "ES256 needs a signing_key, expected HS256 or an empty text"}
        assert set(await self.wrong(house, signing_key=half)) == {"signing_key"}
        assert set(await self.wrong(house, signing_key=curve, signing_alg="HS256", client_secret="")) == {"signing_alg"}
        await house.provider("wiki", signing_key=curve, signing_alg="HS256")

    async def test_encryption(self, house: House) -> None:
        curve = await house.pair("curve", private=False)
        told = await self.wrong(house, encryption_key=curve)
        assert told == {"encryption_alg": "RSA-OAEP-256 does not fit the key, expected ECDH-ES"}
        jwks = {"keys": [{"kty": "RSA", "use": "enc", "n": "A" * 342, "e": "AQAB"}]}
        assert set(await self.wrong(house, jwks=jwks, encryption_alg="ECDH-ES")) == {"jwks"}
        await house.provider("wiki", encryption_key=curve, encryption_alg="ECDH-ES")

    async def test_keys_that_signed_before_need_no_private_half(self, house: House) -> None:
        curve, half = await house.pair("curve"), await house.pair("half", private=False)
        await house.provider("wiki", signing_key=curve, previous_signing_keys=[half])

    @pytest.mark.parametrize(
        ("uris", "told"),
        [
            ([], "found none"),
            ([{"matching_mode": "regex", "url": "https://a\\.example/.*"}], "expected no regex"),
            ([{"matching_mode": "strict", "url": "app.example:/cb"}], "found none"),
            ([CALLBACK, {"matching_mode": "strict", "url": "https://b.example/"}], "found app.example.org, b.example"),
        ],
    )
    async def test_pairwise_needs_one_host(self, house: House, uris: Any, told: str) -> None:
        assert told in (await self.wrong(house, sub_mode="pairwise", redirect_uris=uris))["sub_mode"]
        more = {"matching_mode": "strict", "url": "https://APP.example.org/other"}
        await house.provider("wiki", sub_mode="pairwise", redirect_uris=[CALLBACK, more])


@pytest.mark.parametrize("kind", ["rsa-3072"])
def test_strength_is_never_lost(kind: Any) -> None:
    made = generate_self_signed("x", "x", key_type=kind, now=START, validity=DEFAULT_VALIDITY)
    assert key_type_of(read_private_key(made.key_data.reveal())) == kind
