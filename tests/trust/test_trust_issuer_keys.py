"""Keys of issuers: which address may be followed, and how often anybody is asked."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary.proto.jose.jwks import MOST_KEYS, usable_keys
from ostiary.seal import Secret
from ostiary.trust.issuer_keys import AGAIN, FRESH, STALE, IssuerKeys, NoKeys
from ostiary.trust.oauth_source import OAuthSource
from ostiary.web.outgoing.requests import OutgoingFailed

ED = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
WELL_KNOWN = "https://forge.example/.well-known/openid-configuration"
NOW = 10**15


class Web:
    """Stands in for the network: documents by address."""

    def __init__(self, **documents: object) -> None:
        self.documents: dict[str, object] = dict(documents)
        self.asked: list[tuple[str, bool]] = []

    async def __call__(self, url: str, *, public: bool = False) -> object:
        self.asked.append((url, public))
        if url not in self.documents:
            raise OutgoingFailed("not there")
        return self.documents[url]


def source(**changes: Any) -> OAuthSource:
    wanted: dict[str, Any] = {"oidc_well_known_url": WELL_KNOWN, **changes}
    return OAuthSource(
        pk="a",
        name="Forge",
        slug="forge",
        provider_type="github",
        consumer_key="k",
        consumer_secret=Secret("s"),
        **wanted,
    )


def keys(*kids: str) -> dict[str, object]:
    return {"keys": [{**ED, "kid": kid} for kid in kids]}


def discovery(jwks_uri: object) -> dict[str, object]:
    return {"issuer": "https://forge.example", "jwks_uri": jwks_uri}


@pytest.mark.parametrize(
    ("jwks_uri", "public"),
    [("https://forge.example/keys", False), ("https://forge.example:444/keys", True), ("https://keys.example/", True)],
)
async def test_a67_an_address_that_discovery_names(jwks_uri: str, public: bool) -> None:
    web = Web(**{WELL_KNOWN: discovery(jwks_uri), jwks_uri: keys("one")})
    found = await IssuerKeys(web).issuer(source(), kid="one", now=NOW)
    assert found.name == "https://forge.example"
    assert web.asked == [(WELL_KNOWN, False), (jwks_uri, public)]


@pytest.mark.parametrize(
    "jwks_uri", ["http://127.0.0.1/keys", "http://forge.example/keys", "ftp://forge.example/", "", None, 7]
)
async def test_a67_addresses_that_are_not_followed(jwks_uri: object) -> None:
    web = Web(**{WELL_KNOWN: discovery(jwks_uri), str(jwks_uri): keys("one")})
    with pytest.raises(NoKeys):
        await IssuerKeys(web).issuer(source(), kid="one", now=NOW)
    assert len(web.asked) == 1


async def test_an_address_of_keys_goes_before_discovery_which_still_names_the_issuer() -> None:
    web = Web(**{WELL_KNOWN: discovery("https://x.example/"), "https://own.example/": keys("one")})
    found = await IssuerKeys(web).issuer(source(oidc_jwks_url="https://own.example/"), kid="one", now=NOW)
    assert (found.name, found.knows("one"), found.knows("two"), found.knows(None)) == (
        "https://forge.example", True, False, True,
    )  # fmt: skip
    assert web.asked[1] == ("https://own.example/", False)


@pytest.mark.parametrize(
    "document", [[], "x", None, {"keys": []}, {"keys": "x"}, {"keys": [{"kty": "oct", "k": "AA"}]}]
)
async def test_documents_without_keys(document: object) -> None:
    web = Web(**{WELL_KNOWN: discovery("https://forge.example/keys"), "https://forge.example/keys": document})
    with pytest.raises(NoKeys):
        await IssuerKeys(web).issuer(source(), kid=None, now=NOW)


async def test_nothing_is_held_of_a_source_that_nobody_reads() -> None:
    place = "https://own.example/"
    known = IssuerKeys(Web(**{place: keys("one")}))
    await known.issuer(source(oidc_jwks_url=place, oidc_well_known_url=""), kid="one", now=NOW)
    assert dict(known._locks) == {}


async def test_how_often_is_asked() -> None:
    place = "https://own.example/"
    web, wanted = Web(**{place: keys("one")}), source(oidc_jwks_url=place, oidc_well_known_url="")
    known = IssuerKeys(web)

    async def ask(kid: str, now: int) -> int:
        await known.issuer(wanted, kid=kid, now=now)
        return len(web.asked)

    assert await ask("one", NOW) == 1
    assert await ask("odd", NOW + AGAIN - 1) == 1
    assert await ask("odd", NOW + AGAIN) == 2
    assert await ask("one", NOW + AGAIN + FRESH - 1) == 2
    assert await ask("one", NOW + AGAIN + FRESH) == 3
    web.documents.clear()
    last = NOW + AGAIN + FRESH
    assert await ask("one", last + FRESH) == 4
    assert await ask("one", last + FRESH + AGAIN - 1) == 4
    with pytest.raises(NoKeys):
        await ask("one", last + STALE)
    with pytest.raises(NoKeys):
        await ask("one", last + STALE + 1)
    assert len(web.asked) == 5
    wanted = source(oidc_jwks_url="https://other.example/", oidc_well_known_url="")
    web.documents["https://other.example/"] = keys("one")
    assert await ask("one", last + STALE + 2) == 6  # another address is another question


def test_keys_of_a_set_that_can_be_used() -> None:
    weak = {"kty": "RSA", "n": "AQAB", "e": "AQAB"}
    bad = [weak, "x", None, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, {**ED, "use": "enc"}, {**ED, "x": 1}]
    assert [key.kid for key in usable_keys({"keys": [*bad, {**ED, "kid": "good"}]})] == ["good"]
    assert len(usable_keys({"keys": [ED] * (MOST_KEYS + 5)})) == MOST_KEYS
    assert usable_keys({}) == usable_keys({"keys": {}}) == ()
