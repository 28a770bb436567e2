"""A01-A07, A10: nobody gets an answer sent elsewhere, or read by somebody it was not meant for."""

from __future__ import annotations

from urllib.parse import quote, urlencode, urlsplit

import pytest
from oauth2_rig import CALLBACK, CHALLENGE, Rig, answer_of, authorize_url, location, provider

from ostiary.providers.oauth2.provider.definition import validate_provider
from ostiary.providers.oauth2.provider.fields import RedirectURI
from ostiary.web.response import Response

GOOD = "https://good.example/cb"
PATTERN = r"https://[a-z]+\.good\.example/cb(/.*)?"
EVIL = {
    "a01": [
        "https://good.example.evil/cb",
        "https://evilgood.example/cb",
        "https://good.example/cb.evil",
        "https://good.example/cb/evil",
        "https://good.example/c",
        "https://good.example/cb?x=1",
        "https://good.example/cb%20",
        "http://good.example/cb",
        "//good.example/cb",
    ],
    "a02": [
        "https://good.example@evil.example/cb",
        "https://evil@good.example/cb",
        "https://good.example:8443/cb",
        "https://good.example:443/cb",
        "https://gооd.example/cb",  # with Cyrillic letters
        "https://xn--gd-emkd.example/cb",
        "https://good.example%2eevil.example/cb",
        "https://good.example%00.evil.example/cb",
    ],
    "a03": [
        "https://good.example/cb/../evil",
        "https://good.example/x/../cb",
        "https://good.example/%63b",
        "https://good.example/%2563b",
        "https://good.example/cb%2f..%2fevil",
        "https://good.example\\@evil.example/cb",
        "https://evil.example\\good.example/cb",
        "https://good.example//cb",
        "https://good.example/cb\t",
        "https://good.example/cb\r\nlocation: x",
    ],
    "a05": [
        "javascript:alert(1)//https://good.example/cb",
        "JaVaScRiPt:alert(1)",
        "data:text/html,https://good.example/cb",
        "vbscript:x",
        "https://good.example/cb#fragment",
        "https://good.example/cb#",
    ],
}
CASES = [(rule, uri) for rule, uris in EVIL.items() for uri in uris]


def refused(response: Response) -> None:
    """A page for the person; nothing is sent anywhere."""
    assert response.status == 400
    assert response.header("location") is None


def strict(rig: Rig, *urls: str) -> None:
    rig.change(provider(1, redirect_uris=tuple(RedirectURI("strict", url) for url in urls)))


async def authorize(rig: Rig, uri: str, **more: str) -> Response:
    return await rig.call("GET", authorize_url(redirect_uri=uri, **more))


@pytest.mark.parametrize("uri", EVIL["a01"])
async def test_a01_a_prefix_or_suffix_of_an_address_is_another_address(rig: Rig, uri: str) -> None:
    strict(rig, GOOD)
    refused(await authorize(rig, uri))
    refused(await authorize(rig, uri, prompt="none"))
    refused(await authorize(rig, uri, response_type="nonsense"))


@pytest.mark.parametrize("uri", EVIL["a02"])
async def test_a02_user_info_ports_and_other_alphabets(rig: Rig, uri: str) -> None:
    strict(rig, GOOD)
    refused(await authorize(rig, uri))


@pytest.mark.parametrize(
    "uri",
    ["https://x@app.good.example/cb", "https://app.good.example@evil.example/cb", "https://a%40app.good.example/cb"],
)
async def test_a02_not_even_when_a_pattern_would_match(rig: Rig, uri: str) -> None:
    rig.change(provider(1, redirect_uris=(RedirectURI("regex", r"https://.*good\.example.*"),)))
    refused(await authorize(rig, uri))


@pytest.mark.parametrize("uri", EVIL["a03"])
async def test_a03_traversal_encodings_and_backslashes(rig: Rig, uri: str) -> None:
    strict(rig, GOOD)
    refused(await authorize(rig, uri))


@pytest.mark.parametrize(
    "tail",
    ["/../evil", "/%2e%2e/evil", "/%252e%252e/evil", "/%25252e%25252e/evil", "/\\..\\evil", "/%5c..%5cevil", "/./x"],
)
async def test_a03_not_even_when_a_pattern_would_match(rig: Rig, tail: str) -> None:
    rig.change(provider(1, redirect_uris=(RedirectURI("regex", PATTERN),)))
    await rig.browser.sign_in()
    assert "code" in answer_of(await rig.browser.authorize(redirect_uri="https://app.good.example/cb/deep"))
    refused(await authorize(rig, "https://app.good.example/cb" + tail))


async def test_a04_a_strict_address_is_no_pattern(rig: Rig) -> None:
    strict(rig, GOOD, "https://*.good.example/cb", "https://good.example/.*")
    for uri in ("https://goodXexample/cb", "https://app.good.example/cb", "https://good.example/anything"):
        refused(await authorize(rig, uri))


async def test_a04_a_wildcard_does_not_reach_across_the_host(rig: Rig) -> None:
    rig.change(provider(1, redirect_uris=(RedirectURI("regex", r"https://.*\.good\.example/cb"),)))
    await rig.browser.sign_in()
    assert "code" in answer_of(await rig.browser.authorize(redirect_uri="https://app.good.example/cb"))
    for uri in ("https://evil.example/.good.example/cb", "https://evil.example?.good.example/cb"):
        refused(await authorize(rig, uri))


async def test_a04_a_pattern_matches_as_a_whole(rig: Rig) -> None:
    rig.change(
        provider(
            1,
            redirect_uris=(RedirectURI("regex", PATTERN), RedirectURI("regex", r"http://a\.example|http://b\.example")),
        )
    )
    for uri in (
        "https://appXgood.example/cb",
        "https://evil.example/?https://app.good.example/cb",
        "https://app.good.example/cbevil",
        "https://app.good.example/cb\n.evil",
        "http://a.example.evil",
        "http://b.example.evil",
        "xhttp://b.example",
    ):
        refused(await authorize(rig, uri))


@pytest.mark.parametrize("uri", EVIL["a05"])
async def test_a05_schemes_and_fragments(rig: Rig, uri: str) -> None:
    """Not even when an administrator, or an older version, let it into the list."""
    rig.change(provider(1, redirect_uris=(RedirectURI("strict", uri), RedirectURI("regex", "(?s).*"))))
    refused(await authorize(rig, uri))


@pytest.mark.parametrize("uri", EVIL["a05"])
def test_a05_they_cannot_be_saved(uri: str) -> None:
    problems = list(validate_provider(provider(1, redirect_uris=(RedirectURI("strict", uri),))))
    assert [item.field for item in problems] == ["redirect_uris"]


async def leave(rig: Rig, uri: str, **more: str) -> Response:
    query = urlencode({"post_logout_redirect_uri": uri, **more}, quote_via=quote)
    return await rig.browser.get(f"/application/o/wiki/end-session/?{query}")


@pytest.mark.parametrize(("rule", "uri"), CASES)
async def test_a06_the_way_back_from_a_sign_out_has_the_same_rules(rig: Rig, rule: str, uri: str) -> None:
    listed = (RedirectURI("strict", GOOD), *((RedirectURI("strict", uri),) if rule == "a05" else ()))
    rig.change(provider(1, redirect_uris=listed, post_logout_redirect_uris=listed))
    await rig.browser.sign_in()
    found = await leave(rig, uri)
    if found.status == 302:  # a sign-out that stays here
        assert location(found).startswith("/if/flow/")
        slug = urlsplit(location(found)).path.removeprefix("/if/flow/").strip("/")
        for answer in ("true", None):
            shown = await rig.browser.look(slug)
            assert (shown.component, shown.fields["notices"]) == ("ak-stage-session-end", ["address"])
            assert "cb" not in str(shown.fields)
            if answer:
                await rig.browser.answer(slug, {"component": "ak-stage-session-end", "sign_out": answer})
    else:
        assert found.status == 400


async def test_a06_nor_on_the_way_back_from_a_sign_out(rig: Rig) -> None:
    listed = (RedirectURI("regex", r"https://.*\.good\.example/bye"),)
    rig.change(provider(1, post_logout_redirect_uris=listed, invalidation_flow="logout"))
    for uri, goes in (("https://a.good.example/bye", True), ("https://evil.example/.good.example/bye", False)):
        await rig.browser.sign_in()
        found = await leave(rig, uri)
        if found.status != 400:  # not told by an error: then not followed at the flow's end either
            slug = urlsplit(location(found)).path.removeprefix("/if/flow/").strip("/")
            shown = await rig.browser.look(slug)
            assert (uri in str(shown)) is goes
        else:
            assert not goes


async def test_a06_the_addresses_of_another_application_are_not_ours(rig: Rig) -> None:
    other = (RedirectURI("strict", "https://other.example/bye"),)
    rig.change(provider(2, client_id="other", redirect_uris=other, post_logout_redirect_uris=other))
    await rig.browser.sign_in()
    found = await leave(rig, "https://other.example/bye")
    slug = urlsplit(location(found)).path.removeprefix("/if/flow/").strip("/")
    shown = await rig.browser.look(slug)
    assert shown.fields["notices"] == ["address"]
    assert "other.example" not in str(shown.fields)
    assert (await leave(rig, CALLBACK, client_id="other")).status == 400


@pytest.mark.parametrize(
    "name",
    [
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "response_type",
        "response_mode",
        "prompt",
        "code_challenge",
        "max_age",
    ],
)
async def test_a07_a_parameter_twice_gives_no_code(rig: Rig, name: str) -> None:
    await rig.browser.sign_in()
    values = {
        "client_id": "wiki",
        "redirect_uri": CALLBACK,
        "response_mode": "query",
        "prompt": "consent",
        "max_age": "9",
    }
    first = authorize_url(**({name: values[name]} if name in values else {}))
    assert f"{name}=" in first
    response = await rig.browser.get(f"{first}&{name}={quote(values.get(name, 'x'), safe='')}")
    if response.status == 302:
        answer = answer_of(response)
        assert answer.get("error") == "invalid_request"
        assert "code" not in answer
        assert location(response).startswith(CALLBACK)
    else:
        refused(response)


async def test_a07_a_parameter_twice_is_refused_at_the_token_endpoint(rig: Rig) -> None:
    await rig.browser.sign_in()
    code = await rig.browser.code()
    form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK), ("client_id", "wiki")]
    for pair in form:
        response = await rig.call("POST", "/application/o/token/", form=[*form, pair])
        assert response.status == 400
        assert b"invalid_request" in response.body


async def test_a07_an_unknown_mode_does_not_move_the_answer(rig: Rig) -> None:
    await rig.browser.sign_in()
    for mode in ("web_message", "Fragment", "query ", "none"):
        response = await rig.browser.authorize(response_mode=mode)
        assert location(response).startswith(CALLBACK)
        assert "#" not in location(response)
        assert (answer_of(response)["error"], "code" in answer_of(response)) == ("invalid_request", False)


async def test_a10_every_answer_names_who_answers(rig: Rig) -> None:
    """RFC 9207: a client that speaks with two servers can tell whose code it has."""
    issuer = "https://id.example.org/application/o/wiki/"
    for changes in ({"prompt": "none"}, {"response_type": "nonsense"}, {"code_challenge": "short"}):
        assert answer_of(await rig.browser.authorize(**changes))["iss"] == issuer
    await rig.browser.sign_in()
    answer = answer_of(await rig.browser.authorize(code_challenge=CHALLENGE))
    assert answer["iss"] == issuer
    assert (await rig.browser.authorize(client_id="other")).status == 302
    assert answer_of(await rig.browser.authorize(client_id="other"))["iss"] == issuer.replace("wiki", "other")
