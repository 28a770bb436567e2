"""The start page, the library, launching, recovery links, errors, weights and texts."""

from __future__ import annotations

import gzip
import re

import httpx2 as httpx
import polib
import pytest
from portal_objects import app, subject
from portal_samples import ADDRESSES, SampleHouse
from portal_texts import PACKAGE, blueprint_texts, source_texts, template_texts

from ostiary.applications.resources import Application
from ostiary.brands.pictures import picture
from ostiary.portal.autosubmit import autosubmit_page, submit_policy
from ostiary.portal.error_page import ErrorPage
from ostiary.portal.launch import launch_address
from ostiary.web.errors import HttpError
from ostiary.web.request import Request

ORIGIN = "http://id.example.org"
WEIGHT_LIMIT = 60_000  # bytes of a page with everything it loads, gzipped where we gzip


def client_of(house: SampleHouse) -> httpx.AsyncClient:
    cookies = {"authentik_session": "sample"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=house.site), base_url=ORIGIN, cookies=cookies)


async def test_the_library_shows_what_can_be_opened() -> None:
    async with client_of(SampleHouse()) as client:
        page = (await client.get("/if/user/")).text
    assert "Ada Lovelace" in page
    assert "Not shown" not in page
    assert page.index("Jellyfin") < page.index("Building") < page.index("Argo CD") < page.index("Watching")
    assert 'href="/application/launch/grafana/"' in page
    assert page.count('target="_blank" rel="noopener"') == 1
    assert "Authenticator app" in page


@pytest.mark.parametrize(("administers", "told"), [(True, "ostiary blueprint apply"), (False, "your administrator")])
async def test_an_empty_library_says_who_fills_it(administers: bool, told: str) -> None:
    house = SampleHouse(administers=administers)
    house.snapshot.objects = [one for one in house.snapshot.objects if not isinstance(one, Application)]
    async with client_of(house) as client:
        assert told in (await client.get("/if/user/")).text


@pytest.mark.parametrize("path", ["/if/user/", "/application/launch/grafana/"])
async def test_nobody_is_sent_to_sign_in_and_back(path: str) -> None:
    async with client_of(SampleHouse(user=None)) as client:
        answer = await client.get(path + "?x=1")
        assert answer.status_code == 302
        assert answer.headers["location"] == f"/flows/-/default/authentication/?next={path.replace('/', '%2F')}%3Fx%3D1"


async def test_the_front_door() -> None:
    async with client_of(SampleHouse()) as client:
        assert (await client.get("/")).headers["location"] == "/if/user/"
        assert (await client.get("/robots.txt")).text.startswith("User-agent: *")
        assert re.fullmatch(
            r"/static/ostiary/mark\.[0-9a-f]{12}\.svg", (await client.get("/favicon.ico")).headers["location"]
        )
    async with client_of(SampleHouse(user=None)) as client:
        assert (await client.get("/")).headers["location"] == "/flows/-/default/authentication/?next=%2F"
    async with client_of(SampleHouse(external=True)) as client:
        assert (await client.get("/")).headers["location"] == "/application/launch/grafana/"
        after_post = await client.get("/?step=next")
        assert after_post.status_code == 200
        assert 'content="0; url=/application/launch/grafana/"' in after_post.text


async def test_launching() -> None:
    async with client_of(SampleHouse()) as client:
        assert (await client.get("/application/launch/grafana/")).headers["location"] == "https://grafana.example.org/"
        assert (await client.get("/application/launch/none/")).status_code == 404
        assert (await client.get("/application/launch/silent/")).status_code == 404


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://a.example/%(username)s?x=%(email)s", "https://a.example/ada?x=ada%40example.org"),
        ("https://a.example/%(password)s%(nothing)s", "https://a.example/"),
        ("https://a.example/100%", "https://a.example/100%"),
        ("/if/user/", "/if/user/"),
        ("javascript:alert(1)", None),
        ("blank://blank", None),
        ("", None),
    ],
)
def test_launch_addresses(address: str, expected: str | None) -> None:
    house = SampleHouse()
    application = app("x", "X", meta_launch_url=address)
    found = launch_address(
        application,
        subject=subject(),
        snapshot=house.snapshot,  # type: ignore[arg-type]
    )
    assert found == expected


async def test_a31_a_recovery_link_is_consumed_by_post_only() -> None:
    house = SampleHouse()
    async with client_of(house) as client:
        page = (await client.get("/recovery/use-token/right/")).text
        assert house.recovered == []
        token = re.search(r'name="_form_token" value="([^"]+)"', page)
        assert token is not None
        foreign = await client.post("/recovery/use-token/right/", data={"_form_token": "x"})
        assert (foreign.status_code, foreign.headers["location"]) == (303, "/recovery/use-token/right/")
        crossed = await client.post(
            "/recovery/use-token/right/", data={"_form_token": token[1]}, headers={"sec-fetch-site": "cross-site"}
        )
        assert crossed.status_code == 403
        assert house.recovered == []
        used = await client.post("/recovery/use-token/right/", data={"_form_token": token[1]})
        assert (used.status_code, used.headers["location"]) == (303, "/if/user/")
        page = (await client.get("/recovery/use-token/wrong/")).text
        token = re.search(r'name="_form_token" value="([^"]+)"', page)
        assert token is not None
        assert (await client.post("/recovery/use-token/wrong/", data={"_form_token": token[1]})).status_code == 404


@pytest.mark.parametrize("status", [400, 403, 404, 405, 421, 429, 500, 503, 418])
async def test_errors_are_pages_for_people_and_json_for_programs(status: int) -> None:
    async with client_of(SampleHouse()) as client:
        page = await client.get(f"/-/error/{status}/", headers={"accept": "text/html", "accept-language": "de"})
        assert page.status_code == status
        assert f"Fehler {status}, Anfrage {page.headers['x-authentik-id']}" in page.text
        assert page.headers["content-security-policy"]
        program = await client.get(f"/-/error/{status}/", headers={"accept": "application/json"})
        assert set(program.json()) >= {"detail", "code"}
        if status == 429:
            assert "in 30 Sekunden" in page.text
            assert page.headers["retry-after"] == "30"


def test_a_refusal_says_so_whatever_its_status() -> None:
    page = ErrorPage(SampleHouse().renderer)(Request(), HttpError(200, "access_denied", "You may not pass here."))
    assert page.status == 200
    assert b"<h1>No access</h1>" in page.body


@pytest.mark.parametrize("address", ADDRESSES)
async def test_a_page_weighs_little(address: str) -> None:
    async with client_of(SampleHouse()) as client:
        page = await client.get(address)
        weight = len(page.content)
        for path in set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)):
            file = await client.get(path)
            assert file.status_code == 200
            weight += len(gzip.compress(file.content))
            for inner in re.findall(r'url\("([^"]+)"\)', file.text):
                weight += len((await client.get("/static/ostiary/" + inner)).content)
    assert weight < WEIGHT_LIMIT


def test_the_script_is_small() -> None:
    lines = (PACKAGE / "portal" / "static" / "ostiary.js").read_text().splitlines()
    assert len(lines) < 200


def test_pictures_of_brands() -> None:
    assert picture("https://a.example/x.svg") == "https://a.example/x.svg"
    assert picture("/media/x.svg") == "/media/x.svg"
    for address in ("/static/dist/assets/icons/icon.svg", "fa://fa-lock", "javascript:x", "x.svg", ""):
        assert picture(address) == ""


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://a.example/cb?x=1#f", "https://a.example/cb"),
        ("http://a.example:8080/a;b,c d", "http://a.example:8080/a%3Bb%2Cc%20d"),
        ("https://[::1]:1/cb", "https://[::1]:1/cb"),
        ("https://user@a.example/cb", "https://a.example/cb"),
    ],
)
def test_a29_the_policy_of_a_page_that_posts(url: str, source: str) -> None:
    assert f"form-action {source};" in submit_policy(url)


@pytest.mark.parametrize("url", ["javascript:x", "app:/cb", "https:///x", "//a.example/"])
def test_a29_pages_post_only_to_the_web(url: str) -> None:
    with pytest.raises(ValueError, match="only to http"):
        submit_policy(url)


def test_protocols_get_a_page_that_posts() -> None:
    response = autosubmit_page(SampleHouse().renderer, Request(), "https://a.example/cb", {"code": "1"})
    assert 'name="code" value="1"' in response.body.decode()
    assert "form-action https://a.example/cb;" in (response.header("content-security-policy") or "")


def test_the_german_catalog_is_complete() -> None:
    catalog = polib.pofile(str(PACKAGE / "locale" / "de" / "messages.po"))
    have = {(entry.msgid, entry.msgid_plural or None) for entry in catalog if entry.translated()}
    need = template_texts() | {(text, None) for text in source_texts() | blueprint_texts()}
    assert need - have == set(), "add these to src/ostiary/locale/de/messages.po"


def test_the_german_catalog_keeps_the_places() -> None:
    for entry in polib.pofile(str(PACKAGE / "locale" / "de" / "messages.po")):
        for text in [entry.msgstr, *entry.msgstr_plural.values()]:
            if text:
                assert sorted(re.findall(r"%\(\w+\)s", text)) == sorted(re.findall(r"%\(\w+\)s", entry.msgid))
