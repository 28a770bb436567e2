"""The flow page without a browser: form tokens, the way onward, what is filled in again."""

from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2 as httpx
import portal_samples
import pytest
from portal_samples import SAMPLES, SampleHouse, sample

from ostiary.flows.error_detail import TOO_MANY, ErrorDetail
from ostiary.flows.next_url import is_safe_destination
from ostiary.flows.run.challenge_frame import DENIED_PAGE
from ostiary.flows.run.outcome import Challenge, FlowInfo, FlowRedirect, Passed
from ostiary.portal import redirects
from ostiary.portal.flow.challenges import page_values
from ostiary.portal.flow.interpolation import translate_interpolated
from ostiary.web.request import Request

ORIGIN = "http://id.example.org"


@pytest.fixture
def house() -> SampleHouse:
    return SampleHouse()


@pytest.fixture
async def client(house: SampleHouse) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=house.site), base_url=ORIGIN) as made:
        yield made


def hidden(page: str) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
    return {name: html.unescape(value) for name, value in found}


@pytest.mark.parametrize("name", SAMPLES)
async def test_every_component_has_a_page(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/if/flow/{name}/")
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith(
        "default-src 'none'; script-src 'self'; style-src 'self'"
    )
    assert "<style" not in answer.text
    assert " style=" not in answer.text
    assert not re.search(r"<script(?! src=)", answer.text)
    assert not re.search(r"\son[a-z]+=", answer.text)
    assert '<html lang="en">' in answer.text
    german = await client.get(f"/if/flow/{name}/", headers={"accept-language": "de"})
    assert '<html lang="de">' in german.text


CACHED = [name for name in SAMPLES if sample(name).page.cached]


@pytest.mark.parametrize("name", CACHED)
@pytest.mark.parametrize("person", ["ada", '<b>"A&B"</b>', ""])
async def test_a_page_from_a_plate_is_the_page(
    client: httpx.AsyncClient, house: SampleHouse, monkeypatch: pytest.MonkeyPatch, name: str, person: str
) -> None:
    fields = dict(sample(name).fields)
    if "pending_user" in fields:
        fields |= {"pending_user": person, "pending_user_avatar": f"data:image/svg+xml,{person}" if person else ""}
    house.engine.override[name] = fields
    url = f"/if/flow/{name}/?next=%2Fx%2F%3Fa%3D1%26b%3D%22&step=again"
    texts = [(await client.get(url)).text for _ in range(2)]
    uncached = replace(sample(name).page, cached=False)
    monkeypatch.setattr(portal_samples, "PAGES", {**portal_samples.PAGES, SAMPLES[name][0]: uncached})
    assert texts == [(await client.get(url)).text] * 2


async def test_a_form_is_taken_and_answered_303(client: httpx.AsyncClient, house: SampleHouse) -> None:
    page = await client.get("/if/flow/identification/?next=%2Fx%2F&method=totp&step=again")
    fields = hidden(page.text)
    assert set(fields) == {"_component", "_ticket", "_form_token"}
    answer = await client.post(
        "/if/flow/identification/?next=%2Fx%2F&method=totp&step=again", data={**fields, "uid_field": "ada"}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/if/flow/identification/?next=%2Fx%2F&step=next")
    slug, sent, ticket = house.engine.answers[0]
    assert (slug, ticket) == ("identification", "ticket-identification")
    assert sent == {"component": "ak-stage-identification", "uid_field": "ada"}


@pytest.mark.parametrize("change", [{"_form_token": "x"}, {"_ticket": "x"}, {"_form_token": ""}])
async def test_a40_a_stale_or_foreign_form_starts_again(
    client: httpx.AsyncClient, house: SampleHouse, change: dict[str, str]
) -> None:
    fields = hidden((await client.get("/if/flow/password/")).text)
    answer = await client.post("/if/flow/password/", data={**fields, **change, "password": "p"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/if/flow/password/?step=again")
    assert house.engine.answers == []
    assert "too old" in (await client.get("/if/flow/password/?step=again")).text


async def test_a40_the_token_is_of_one_flow_and_session(client: httpx.AsyncClient, house: SampleHouse) -> None:
    fields = hidden((await client.get("/if/flow/password/")).text)
    assert "step=again" in (await client.post("/if/flow/user-login/", data=fields)).headers["location"]
    client.cookies.clear()
    assert "step=again" in (await client.post("/if/flow/password/", data=fields)).headers["location"]
    assert house.engine.answers == []


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}])
async def test_a40_another_site_cannot_post(
    client: httpx.AsyncClient, house: SampleHouse, headers: dict[str, str]
) -> None:
    fields = hidden((await client.get("/if/flow/password/")).text)
    answer = await client.post("/if/flow/password/", data={**fields, "password": "p"}, headers=headers)
    assert answer.status_code == 403
    assert house.engine.answers == []


async def test_typed_values_come_back_but_never_secrets(client: httpx.AsyncClient, house: SampleHouse) -> None:
    path = "/if/flow/wizard-wrong/"
    house.engine.verdict = sample("wizard-wrong")
    fields = hidden((await client.get(path)).text)
    answer = await client.post(
        path, data={**fields, "email": "<ada@x>", "password": "sesame-1", "password_repeat": "sesame-2"}
    )
    assert answer.status_code == 303
    again = await client.get(answer.headers["location"])
    assert 'value="&lt;ada@x&gt;"' in again.text
    assert "sesame" not in again.text
    assert "sesame" not in str(client.cookies)
    assert "&lt;ada@x&gt;" not in (await client.get(path)).text
    client.cookies.set("ostiary_typed", "eyJlbWFpbCI6ImV2aWwifQ.x", path=path)
    assert "evil" not in (await client.get(path)).text


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("user-login", {"remember_me": "true"}, {"remember_me": True}),
        ("user-login", {"remember_me": "false"}, {"remember_me": False}),
        (
            "validate",
            {"code": "1", "selected_challenge": "totp:1"},
            {"code": "1", "selected_challenge": {"device_class": "totp", "device_uid": "1", "challenge": {}}},
        ),
        ("kinds", {"terms": "on", "_checkbox": "terms"}, {"terms": True}),
        ("kinds", {"_checkbox": "terms"}, {"terms": False}),
        ("configure", {"selected_stage": "1"}, {"selected_stage": "1"}),
    ],
)
async def test_answers_have_the_types_of_the_executor(
    client: httpx.AsyncClient, house: SampleHouse, name: str, data: dict[str, str], expected: dict[str, object]
) -> None:
    fields = hidden((await client.get(f"/if/flow/{name}/")).text)
    own = {key: value for key, value in fields.items() if key in {"_component", "_ticket", "_form_token"}}
    await client.post(f"/if/flow/{name}/", data={**own, **data})
    sent = dict(house.engine.answers[0][1])
    assert sent.pop("component") == SAMPLES[name][0]
    assert sent == expected


async def test_a_field_twice_is_refused(client: httpx.AsyncClient, house: SampleHouse) -> None:
    fields = hidden((await client.get("/if/flow/password/")).text)
    answer = await client.post("/if/flow/password/", data={**fields, "password": ["a", "b"]})
    assert answer.status_code == 400
    assert house.engine.answers == []


@pytest.mark.parametrize("to", ["https://client.example/cb?code=1", "/application/o/authorize/?a=1", "app.client:/cb"])
async def test_after_a_post_no_redirect_leaves(client: httpx.AsyncClient, house: SampleHouse, to: str) -> None:
    house.engine.leads["login"] = to
    plain = await client.get("/if/flow/login/")
    assert (plain.status_code, plain.headers["location"]) == (302, to)
    marked = await client.get("/if/flow/login/?step=next")
    assert marked.status_code == 200
    assert f'content="0; url={html.escape(to)}"' in marked.text
    assert f'href="{html.escape(to)}"' in marked.text


@pytest.mark.parametrize(
    ("to", "location"),
    [
        ("/", "/?step=next"),
        ("/if/user/", "/if/user/"),
        ("/if/user/?x=1", "/if/user/?x=1"),
        ("/if/flow/more/?next=%2F", "/if/flow/more/?next=%2F&step=next"),
    ],
)
async def test_pages_that_stay_are_redirected_to(
    client: httpx.AsyncClient, house: SampleHouse, to: str, location: str
) -> None:
    house.engine.leads["login"] = to
    answer = await client.get("/if/flow/login/?step=next")
    assert (answer.status_code, answer.headers["location"]) == (302, location)


@pytest.mark.parametrize(
    "to", ["javascript:alert(1)", " javascript:alert(1)", "data:text/html,x", "//evil.example", "java\tscript:x"]
)
async def test_a05_a_flow_never_leads_to_a_script(client: httpx.AsyncClient, house: SampleHouse, to: str) -> None:
    house.engine.leads["login"] = to
    for query in ("", "?step=next"):
        assert (await client.get("/if/flow/login/" + query)).status_code == 400


async def test_an_unknown_flow_and_a_loop(client: httpx.AsyncClient, house: SampleHouse) -> None:
    assert (await client.get("/if/flow/none/")).status_code == 404
    house.engine.leads["here"] = "/if/flow/here/"
    assert (await client.get("/if/flow/here/")).status_code == 302


async def test_a_prefix_is_kept_everywhere() -> None:
    house = SampleHouse(prefix="/auth")
    house.engine.leads["login"] = "/auth/if/user/"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=house.site), base_url=ORIGIN) as client:
        page = await client.get("/auth/if/flow/password/?a=1")
        assert 'action="/auth/if/flow/password/?a=1"' in page.text
        assert all(
            address.startswith("/auth/static/")
            for address in re.findall(r'(?:src|stylesheet" href)="([^"]+)"', page.text)
        )
        answer = await client.post("/auth/if/flow/password/", data={**hidden(page.text), "password": "p"})
        assert answer.headers["location"] == "/auth/if/flow/password/?step=next"
        assert (await client.get("/auth/if/flow/login/?step=next")).headers["location"] == "/auth/if/user/"
        assert (await client.get("/auth")).headers["location"] == "/auth/"


async def test_a39_the_wizard_wants_its_link() -> None:
    house = SampleHouse(user=None, closed=False)
    house.engine.leads["initial-setup"] = "/if/user/"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=house.site), base_url=ORIGIN) as client:
        for query in ("", "?token=wrong"):
            locked = await client.get("/if/flow/initial-setup/" + query)
            assert locked.status_code == 403
            assert "setup-link" in locked.text
        assert (await client.get("/if/flow/initial-setup/?token=right")).status_code == 302
        assert "setup-link" in (await client.get("/")).text


async def test_a29_autosubmit_posts_to_one_place_only(client: httpx.AsyncClient) -> None:
    answer = await client.get("/if/flow/autosubmit/")
    assert "form-action https://client.example.org/callback;" in answer.headers["content-security-policy"]
    assert "form-action 'self'" not in answer.headers["content-security-policy"]
    assert 'value="&#34;&gt;&lt;script&gt;"' in answer.text


async def test_a29_a_page_that_posts_itself_runs_our_own_script_alone(client: httpx.AsyncClient) -> None:
    policy = (await client.get("/if/flow/autosubmit/")).headers["content-security-policy"]
    rules = dict(rule.strip().partition(" ")[::2] for rule in policy.split(";"))
    assert (rules["default-src"], rules["script-src"], rules["base-uri"]) == ("'none'", "'self'", "'none'")


async def test_markup_of_others_is_not_rendered(client: httpx.AsyncClient) -> None:
    shell = (await client.get("/if/flow/shell/")).text
    assert "<script>" not in shell
    assert "As others should see it." in (await client.get("/if/flow/kinds/")).text


async def test_the_qr_code_is_drawn_and_the_key_grouped(client: httpx.AsyncClient) -> None:
    page = (await client.get("/if/flow/totp/")).text
    assert "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP" in page
    assert '<svg viewBox="0 0 ' in page
    assert 'autocomplete="one-time-code"' in page
    assert 'inputmode="numeric"' in page


async def test_the_app_comes_before_codes_and_the_choice_is_a_link(client: httpx.AsyncClient) -> None:
    page = (await client.get("/if/flow/validate/?next=%2F")).text
    assert hidden(page)["selected_challenge"] == "totp:1"
    assert 'href="/if/flow/validate/?next=%2F&amp;method=static"' in page
    other = (await client.get("/if/flow/validate/?method=static")).text
    assert hidden(other)["selected_challenge"] == "static:2"


def test_where_a_marked_get_may_redirect() -> None:
    request = Request(prefix="/auth")
    assert redirects.stays_here("/auth/if/user/", request) == "/auth/if/user/"
    assert redirects.stays_here("/auth/", request) == "/auth/?step=next"
    for to in ("/if/user/", "/authx/if/user/", "https://a.example/auth/if/user/", "//a/auth/if/user/", "/auth/if/../x"):
        assert redirects.stays_here(to, request) is None
    assert redirects.host_of("https://[") == ""
    assert not is_safe_destination("https://[")


def test_texts_that_were_filled_in_are_told_again() -> None:
    german = {"You have left %(app)s": "Sie haben %(app)s verlassen", "Welcome": "Willkommen"}

    def translate(text: str) -> str:
        return german.get(text, text)

    assert translate_interpolated("Welcome", translate) == "Willkommen"
    assert translate_interpolated("You have left %(x)s \\1", translate) == "Sie haben %(x)s \\1 verlassen"
    assert translate_interpolated("Something else", translate) == "Something else"


def test_outcomes_are_covered() -> None:
    # The page matches all of them; a new one must be answered there.
    from typing import get_args

    from ostiary.flows.run.outcome import Challenge, Outcome

    assert set(get_args(Outcome)) == {Challenge, Passed, FlowRedirect}


@pytest.mark.parametrize(
    ("to", "status", "location"),
    [
        ("/if/user/", 303, "/if/user/"),
        ("/if/flow/consent/", 303, "/if/flow/consent/?step=next"),
        ("https://app.example.org/cb?code=1", 200, None),
        ("/application/o/authorize/?client_id=x", 200, None),
        ("javascript:alert(1)", 400, None),
    ],
)
async def test_the_answer_that_ends_a_flow_leaves_it(
    client: httpx.AsyncClient, house: SampleHouse, to: str, status: int, location: str | None
) -> None:
    fields = hidden((await client.get("/if/flow/password/")).text)
    house.engine.verdict = FlowRedirect(to)
    answer = await client.post("/if/flow/password/", data={**fields, "password": "p"})
    assert (answer.status_code, answer.headers.get("location")) == (status, location)
    if status == 200:
        assert f'content="0; url={html.escape(to)}"' in answer.text


@pytest.mark.parametrize(
    ("display", "layout"),
    [("popup", "display-popup"), ("touch", "display-touch"), ("page", ""), ('"><x', ""), ("", "")],
)
async def test_the_form_of_page_an_application_asked_for(client: httpx.AsyncClient, display: str, layout: str) -> None:
    page = (await client.get("/if/flow/identification/", params={"display": display})).text
    (body,) = re.findall(r'<body class="([^"]*)">', page)
    assert body == f"door layout-stacked {layout}".strip()


async def test_after_too_many_wrong_passwords_a_page_says_that_and_begins_again() -> None:
    challenge = Challenge(
        component="ak-stage-access-denied",
        fields={"error_message": TOO_MANY},
        flow_info=FlowInfo(title="Sign in", layout="stacked", cancel_url="/"),
        page=DENIED_PAGE,
    )
    request = Request(path="/if/flow/sign-in/", query="next=%2Fa%3Fb&step=next", prefix="/auth")
    values = page_values(challenge, request=request, errors={}, typed={}, translate=str)
    assert values["again"] == "/auth/if/flow/sign-in/?next=%2Fa%3Fb"
    other = replace(challenge, fields={"error_message": "You may not."})
    assert page_values(other, request=request, errors={}, typed={}, translate=str)["again"] == ""


HEADINGS = {
    "identification": "Welcome to Ostiary",
    "password": "Enter your password",
    "validate": "One more proof",
    "configure": "Protect your account",
    "user-login": "Stay signed in?",
    "denied": "No access",
}


@pytest.mark.parametrize("name", HEADINGS)
async def test_each_step_says_what_it_is(client: httpx.AsyncClient, name: str) -> None:
    page = (await client.get(f"/if/flow/{name}/")).text
    assert f"<h1>{HEADINGS[name]}</h1>" in page
    assert f"<title>{HEADINGS[name]} · " in page


async def test_a_new_password_has_the_name_beside_it(client: httpx.AsyncClient, house: SampleHouse) -> None:
    """Password managers keep it under that name."""
    session = house.sessions._session()
    house.sessions._session = lambda: dataclasses.replace(session, user=7, who={"username": "ada"})  # type: ignore[method-assign]
    named = '<input type="text" value="{}" autocomplete="username" hidden>'
    assert named.format("ada") in (await client.get("/if/flow/wizard/")).text
    assert named.format("ada") not in (await client.get("/if/flow/kinds/")).text  # it asks for the name itself
    house.engine.shows["initial-setup"] = "wizard"
    assert named.format("akadmin") in (await client.get("/if/flow/initial-setup/?token=right")).text


async def test_the_error_of_one_factor_is_not_that_of_another(client: httpx.AsyncClient, house: SampleHouse) -> None:
    house.engine.failed = {"code": [ErrorDetail("This code is not right, or was used before.")]}
    wrong = (await client.get("/if/flow/validate/?step=next")).text
    assert "This code is not right" in wrong
    found = re.search(r'href="([^"]*method=static)"', wrong)
    assert found is not None
    other = html.unescape(found[1])
    assert "This code is not right" not in (await client.get(other)).text
    assert "This code is not right" in (await client.get(other + "&step=next")).text


async def test_a_page_that_posts_says_where(client: httpx.AsyncClient) -> None:
    assert "You are on your way to client.example.org." in (await client.get("/if/flow/autosubmit/")).text
