"""The keys of issuers: which addresses are fetched, and how often."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary.proto.jose.jwks import MAX_KEYS, usable_keys
from ostiary.seal import Secret
from ostiary.trust.issuer_keys import AGAIN, FRESH, STALE, IssuerKeys, NoKeys
from ostiary.trust.oauth_source import OAuthSource
from ostiary.web.outgoing.requests import OutgoingFailed

ED = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
WELL_KNOWN = "https://forge.example/.well-known/openid-configuration"
NOW = 10**15


class Web:
    """A fake network: documents by address, and the requests for them."""

    def __init__(self, **documents: object) -> None:
        self.documents: dict[str, object] = dict(documents)
        self.requests: list[tuple[str, bool]] = []

    async def __call__(self, url: str, *, public: bool = False) -> object:
        self.requests.append((url, public))
        if url not in self.documents:
            raise OutgoingFailed("not there")
        return self.documents[url]


def source(**changes: Any) -> OAuthSource:
    fields: dict[str, Any] = {"oidc_well_known_url": WELL_KNOWN, **changes}
    return OAuthSource(
        pk="a",
        name="Forge",
        slug="forge",
        provider_type="github",
        consumer_key="k",
        consumer_secret=Secret("s"),
        **fields,
    )


def keys(*kids: str) -> dict[str, object]:
    return {"keys": [{**ED, "kid": kid} for kid in kids]}


def discovery(jwks_uri: object) -> dict[str, object]:
    return {"issuer": "https://forge.example", "jwks_uri": jwks_uri}


@pytest.mark.parametrize(
    ("jwks_uri", "public"),
    [("https://forge.example/keys", False), ("https://forge.example:444/keys", True), ("https://keys.example/", True)],
)
async def test_a67_the_jwks_uri_of_a_discovery_document(jwks_uri: str, public: bool) -> None:
    web = Web(**{WELL_KNOWN: discovery(jwks_uri), jwks_uri: keys("one")})
    issuer = await IssuerKeys(web).issuer(source(), kid="one", now=NOW)
    assert issuer.name == "https://forge.example"
    assert web.requests == [(WELL_KNOWN, False), (jwks_uri, public)]


@pytest.mark.parametrize(
    "jwks_uri", ["http://127.0.0.1/keys", "http://forge.example/keys", "ftp://forge.example/", "", None, 7]
)
async def test_a67_addresses_that_are_not_fetched(jwks_uri: object) -> None:
    web = Web(**{WELL_KNOWN: discovery(jwks_uri), str(jwks_uri): keys("one")})
    with pytest.raises(NoKeys):
        await IssuerKeys(web).issuer(source(), kid="one", now=NOW)
    assert len(web.requests) == 1


async def test_a_configured_jwks_url_takes_precedence_over_discovery() -> None:
    web = Web(**{WELL_KNOWN: discovery("https://x.example/"), "https://own.example/": keys("one")})
    issuer = await IssuerKeys(web).issuer(source(oidc_jwks_url="https://own.example/"), kid="one", now=NOW)
    assert (issuer.name, issuer.knows("one"), issuer.knows("two"), issuer.knows(None)) == (
        "https://forge.example", True, False, True,
    )  # fmt: skip
    assert web.requests[1] == ("https://own.example/", False)


@pytest.mark.parametrize(
    "document", [[], "x", None, {"keys": []}, {"keys": "x"}, {"keys": [{"kty": "oct", "k": "AA"}]}]
)
async def test_documents_without_keys(document: object) -> None:
    web = Web(**{WELL_KNOWN: discovery("https://forge.example/keys"), "https://forge.example/keys": document})
    with pytest.raises(NoKeys):
        await IssuerKeys(web).issuer(source(), kid=None, now=NOW)


async def test_no_lock_is_kept_after_a_fetch() -> None:
    jwks_url = "https://own.example/"
    issuer_keys = IssuerKeys(Web(**{jwks_url: keys("one")}))
    await issuer_keys.issuer(source(oidc_jwks_url=jwks_url, oidc_well_known_url=""), kid="one", now=NOW)
    assert dict(issuer_keys._locks) == {}


async def test_keys_are_fetched_at_bounded_intervals() -> None:
    jwks_url = "https://own.example/"
    web, configured = Web(**{jwks_url: keys("one")}), source(oidc_jwks_url=jwks_url, oidc_well_known_url="")
    issuer_keys = IssuerKeys(web)

    async def fetches(kid: str, now: int) -> int:
        await issuer_keys.issuer(configured, kid=kid, now=now)
        return len(web.requests)

    assert await fetches("one", NOW) == 1
    assert await fetches("odd", NOW + AGAIN - 1) == 1
    assert await fetches("odd", NOW + AGAIN) == 2
    assert await fetches("one", NOW + AGAIN + FRESH - 1) == 2
    assert await fetches("one", NOW + AGAIN + FRESH) == 3
    web.documents.clear()
    last = NOW + AGAIN + FRESH
    assert await fetches("one", last + FRESH) == 4
    assert await fetches("one", last + FRESH + AGAIN - 1) == 4
    with pytest.raises(NoKeys):
        await fetches("one", last + STALE)
    with pytest.raises(NoKeys):
        await fetches("one", last + STALE + 1)
    assert len(web.requests) == 5
    configured = source(oidc_jwks_url="https://other.example/", oidc_well_known_url="")
    web.documents["https://other.example/"] = keys("one")
    assert await fetches("one", last + STALE + 2) == 6  # a changed address is fetched at once


def test_unusable_keys_of_a_set_are_skipped() -> None:
    weak = {"kty": "RSA", "n": "AQAB", "e": "AQAB"}
    bad = [weak, "x", None, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, {**ED, "use": "enc"}, {**ED, "x": 1}]
    assert [key.kid for key in usable_keys({"keys": [*bad, {**ED, "kid": "good"}]})] == ["good"]
    assert len(usable_keys({"keys": [ED] * (MAX_KEYS + 5)})) == MAX_KEYS
    assert usable_keys({}) == usable_keys({"keys": {}}) == ()
