"""Sign-out: by the application, told over the back channel and through the browser, and what ends with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast
from urllib.parse import quote, urlsplit

import pytest
from joserfc import jws
from oauth2_rig import (
    BASE,
    CALLBACK,
    SECOND,
    SECRET,
    Rig,
    answer_of,
    basic_header,
    json_of,
    location,
    page_of,
    provider,
    verified,
)
from support.waiting import until

from ostiary.directory.accounts import Accounts
from ostiary.directory.passwords.pool import Passwords
from ostiary.grants.cascades import on_user_disabled
from ostiary.providers.oauth2.logout import backchannel
from ostiary.providers.oauth2.logout.backchannel import NAME, DeliveryFailed, Notices
from ostiary.providers.oauth2.provider.client import client_by_provider
from ostiary.providers.oauth2.provider.fields import RedirectURI
from ostiary.resource import InvalidResource, codec
from ostiary.room import Job
from ostiary.seal import Secret
from ostiary.sessions.expiry import end_expired
from ostiary.tasks.worker import Worker
from ostiary.web.outgoing.requests import OutgoingFailed
from ostiary.web.response import Response

APP = "https://app.example.org"
PATH = "/application/o/wiki/end-session/"
BYE = (RedirectURI("strict", f"{APP}/bye"),)
HOUR = 3_600 * SECOND


def told(pk: int = 1, **changes: object) -> Any:
    return provider(pk, logout_uri=f"{APP}/logout?x=1", post_logout_redirect_uris=BYE, **changes)


async def ask(rig: Rig, token: str) -> Response:
    return await rig.call("GET", "/application/o/userinfo/", headers={"authorization": f"Bearer {token}"})


async def active(rig: Rig, token: str) -> bool:
    form = {"token": token}
    headers = {"authorization": basic_header("wiki", SECRET)}
    return bool(json_of(await rig.call("POST", "/application/o/introspect/", form=form, headers=headers))["active"])


async def queued(rig: Rig) -> list[dict[str, Any]]:
    rows = await rig.rows(f"SELECT args FROM task WHERE name = '{NAME}' ORDER BY id")
    return [cast("dict[str, Any]", codec.decode(row["args"])) for row in rows]


async def left(rig: Rig, url: str) -> str:
    """Ask for a sign-out and return the slug of the flow it leads into."""
    response = await rig.browser.get(url)
    assert response.status == 302, response.body
    return urlsplit(location(response)).path.removeprefix("/if/flow/").strip("/")


class Inbox:
    """A client's logout address."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.received: list[tuple[str, str]] = []

    async def __call__(self, url: str, pairs: Sequence[tuple[str, str]]) -> int:
        self.received.append((url, dict(pairs)["logout_token"]))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return answer

    def job(self, rig: Rig) -> Job:
        return backchannel.job(cast("Any", rig.database), cast("Any", rig.plane), rig.services.users, post=self)


class TestByTheApplication:
    async def test_a_hint_ends_the_session(self, both: Rig) -> None:
        both.change(told())
        await both.browser.sign_in()
        tokens = await both.browser.tokens(scope="openid")
        query = f"id_token_hint={tokens['id_token']}&post_logout_redirect_uri={APP}/bye&state=s"
        assert page_of(await both.browser.get(f"{PATH}?{query}")) == "/if/flow/leave/"
        assert await active(both, tokens["access_token"])
        assert await both.browser.finish_flow("leave") == f"{APP}/bye?state=s"
        assert not await active(both, tokens["access_token"])
        assert answer_of(await both.browser.authorize(prompt="none"))["error"] == "login_required"

    async def test_an_expired_hint_is_as_good(self, rig: Rig) -> None:
        rig.change(told())
        await rig.browser.sign_in()
        token = (await rig.browser.tokens())["id_token"]
        rig.now += 20 * HOUR
        await rig.browser.get(f"{PATH}?id_token_hint={token}&client_id=wiki")
        assert (await rig.browser.look("leave")).component == "ak-stage-session-end"
        assert answer_of(await rig.browser.authorize(prompt="none"))["error"] == "login_required"

    async def test_a_hint_of_an_earlier_session_of_the_same_person(self, rig: Rig) -> None:
        rig.change(told())
        await rig.browser.sign_in()
        token = (await rig.browser.tokens())["id_token"]
        await rig.browser.sign_out()
        rig.browser.cookies.clear()
        await rig.browser.sign_in()
        await rig.browser.get(f"{PATH}?id_token_hint={token}&post_logout_redirect_uri={APP}/bye")
        assert await rig.browser.finish_flow("leave") == f"{APP}/bye"
        assert answer_of(await rig.browser.authorize(prompt="none"))["error"] == "login_required"

    async def test_a_hint_about_somebody_else_only_asks(self, rig: Rig) -> None:
        rig.change(told())
        await rig.browser.sign_in(8, "bob")
        token = (await rig.browser.tokens())["id_token"]
        await rig.browser.sign_out()
        rig.browser.cookies.clear()
        await rig.browser.sign_in()
        await rig.browser.get(f"{PATH}?id_token_hint={token}&post_logout_redirect_uri={APP}/bye")
        shown = await rig.browser.look("leave")
        assert (shown.component, shown.fields["confirm"]) == ("ak-stage-session-end", True)
        assert "code" in answer_of(await rig.browser.authorize(prompt="none"))

    async def test_wrong_hints(self, rig: Rig) -> None:
        rig.change(told())
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens()
        token = tokens["id_token"]
        for query in ("client_id=other", "state=a&state=b"):
            assert (await rig.browser.get(f"{PATH}?{query}")).status == 400
        back = f"&post_logout_redirect_uri={APP}/bye"
        other = "/application/o/other/end-session/"
        for url in (f"{PATH}?id_token_hint={token[:-9]}xxxxxxxxx{back}", f"{PATH}?id_token_hint=x{back}",
                    f"{other}?id_token_hint={token}"):  # fmt: skip
            slug = await left(rig, url)
            asked = await rig.browser.look(slug)
            assert (asked.fields["confirm"], asked.fields["notices"]) == (True, ["hint"])
            await rig.browser.answer(slug, {"component": "ak-stage-session-end", "sign_out": "false"})
            stayed = await rig.browser.look(slug)
            assert stayed.component == "ak-stage-session-end", "it stays here, registered address or not"
            assert "invalidation_flow_url" in stayed.fields
        assert await active(rig, tokens["access_token"])

    async def test_a14_no_other_algorithm_and_no_logout_token(self, rig: Rig) -> None:
        rig.change(told())
        await rig.browser.sign_in()
        claims = await verified(rig, (await rig.browser.tokens())["id_token"])
        from joserfc.jwk import OctKey

        forged = jws.serialize_compact({"alg": "HS256"}, codec.encode(claims), OctKey.import_key(SECRET))
        client = client_by_provider(rig.plane.snapshot, 1)
        assert client is not None
        other_kind = client.sign(codec.encode(claims), typ="logout+jwt")
        for hint in (forged, other_kind):
            shown = await rig.browser.look(await left(rig, f"{PATH}?id_token_hint={hint}"))
            assert (shown.fields["confirm"], shown.fields["notices"]) == (True, ["hint"])

    async def test_a_hint_only_the_client_can_read_asks(self, rig: Rig) -> None:
        rig.change(told())
        await rig.browser.sign_in()
        await rig.browser.get(f"{PATH}?id_token_hint=a.b.c.d.e&post_logout_redirect_uri={APP}/bye")
        assert (await rig.browser.look("leave")).fields["confirm"] is True

    @pytest.mark.parametrize("query", ["", "?state=s", "?client_id=wiki"])
    @pytest.mark.parametrize("ended", [True, False])
    async def test_without_a_hint_the_person_is_asked_and_told_what_is_true(
        self, both: Rig, query: str, ended: bool
    ) -> None:
        await both.browser.sign_in()
        slug = await left(both, PATH + query)
        shown = await both.browser.look(slug)
        assert (shown.component, shown.fields["confirm"]) == ("ak-stage-session-end", True)
        assert "code" in answer_of(await both.browser.authorize(prompt="none"))
        await both.browser.answer(slug, {"component": "ak-stage-session-end", "sign_out": str(ended).lower()})
        shown = await both.browser.look(slug)
        assert (shown.component, "confirm" in shown.fields) == ("ak-stage-session-end", False)
        assert shown.fields.get("invalidation_flow_url") == (None if ended else "/flows/-/default/invalidation/")
        signed_out = "error" in answer_of(await both.browser.authorize(prompt="none"))
        assert signed_out is ended

    @pytest.mark.parametrize(("answer", "ended"), [("true", True), ("false", False)])
    async def test_without_a_hint_but_with_an_address_the_person_decides(
        self, both: Rig, answer: str, ended: bool
    ) -> None:
        both.change(told())
        await both.browser.sign_in()
        tokens = await both.browser.tokens(scope="openid")
        await both.browser.get(f"{PATH}?post_logout_redirect_uri={APP}/bye&state=s")
        assert (await both.browser.look("leave")).fields["confirm"] is True
        assert (await both.browser.look("leave")).fields["confirm"] is True, "looking again decides nothing"
        await both.browser.answer("leave", {"component": "ak-stage-session-end", "sign_out": answer})
        assert await both.browser.finish_flow("leave") == f"{APP}/bye?state=s"
        assert await active(both, tokens["access_token"]) is not ended

    async def test_nobody_signed_in_is_not_asked(self, rig: Rig) -> None:
        rig.change(told())
        await rig.browser.get(f"{PATH}?post_logout_redirect_uri={APP}/bye")
        assert await rig.browser.finish_flow("leave") == f"{APP}/bye"

    async def test_a_flow_that_signs_out_asks_nobody(self, rig: Rig) -> None:
        rig.change(told(invalidation_flow="logout"))
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens()
        await rig.browser.get(f"{PATH}?post_logout_redirect_uri={APP}/bye")
        assert await rig.browser.finish_flow("logout") == f"{APP}/bye"
        assert (await ask(rig, tokens["access_token"])).status == 401

    async def test_a_post_becomes_a_get(self, rig: Rig) -> None:
        response = await rig.call("POST", PATH, form={"state": "a b"})
        assert (response.status, location(response)) == (303, f"{PATH}?state=a%20b")

    async def test_a_hint_too_long_for_an_address_is_sent_by_post(self, both: Rig) -> None:
        both.change(told())
        await both.browser.sign_in()
        claims = await verified(both, (await both.browser.tokens())["id_token"])
        client = client_by_provider(both.plane.snapshot, 1)
        assert client is not None
        for claim in ("g" * 47_500, "g" * 4_000):
            long = client.sign(codec.encode({**claims, "groups": claim}))
            form = {"id_token_hint": long, "post_logout_redirect_uri": f"{APP}/bye", "state": "s"}
            response = await both.call("POST", PATH, form=form)
            assert response.status == 303
            assert len(location(response)) < 4_096 + 2_000
        assert 63_000 < len(client.sign(codec.encode({**claims, "groups": "g" * 47_500}))) <= 65_536
        slug = await left(both, location(await both.call("POST", PATH, form=form)))
        assert await both.browser.finish_flow(slug) == f"{APP}/bye?state=s"
        assert answer_of(await both.browser.authorize(prompt="none"))["error"] == "login_required"

    async def test_what_is_shortened_stays_what_it_was(self, rig: Rig) -> None:
        rig.change(told())
        await rig.browser.sign_in()
        client = client_by_provider(rig.plane.snapshot, 1)
        assert client is not None
        forged = client.sign(codec.encode({"aud": "other", "sub": "s", "x": "g" * 9_000}))
        for hint, notices in ((forged, ["hint"]), ("x" * 9_000, ["hint"]), (f"{'a' * 9_000}.b.c.d.e", None)):
            url = location(await rig.call("POST", PATH, form={"id_token_hint": hint}))
            shown = await rig.browser.look(await left(rig, url))
            assert (shown.fields["confirm"], shown.fields.get("notices")) == (True, notices)

    async def test_a_short_hint_is_no_id_token(self, rig: Rig) -> None:
        rig.change(told())
        client = client_by_provider(rig.plane.snapshot, 1)
        assert client is not None
        long = client.sign(codec.encode({"aud": "wiki", "sub": "s", "sid": "x", "nonce": "n" * 9_000}))
        short = location(await rig.call("POST", PATH, form={"id_token_hint": long})).split("id_token_hint=")[1]
        parsed = jws.extract_compact(short.encode())
        assert parsed.headers()["typ"] == "logout-hint+jwt"
        assert set(codec.decode(parsed.payload)) == {"aud", "sub", "sid"}  # type: ignore[call-overload]

    @pytest.mark.parametrize(
        "uri",
        [
            "https://evil.example/", f"{APP}/bye/", f"{APP}.evil/bye", "javascript:alert(1)", "//evil.example",
            f"{APP}/bye?x=1", CALLBACK, f"{APP}/bye#x", f"{APP}\\bye", "",
        ],
    )  # fmt: skip
    async def test_a06_only_the_list_of_its_own(self, rig: Rig, uri: str) -> None:
        rig.change(told())
        await rig.browser.sign_in()
        slug = await left(rig, f"{PATH}?post_logout_redirect_uri={quote(uri, safe='')}")
        asked = await rig.browser.look(slug)
        assert (asked.fields["confirm"], asked.fields.get("notices")) == (True, ["address"] if uri else None)
        await rig.browser.answer(slug, {"component": "ak-stage-session-end", "sign_out": "true"})
        assert (await rig.browser.look(slug)).component == "ak-stage-session-end"

    async def test_an_unlisted_address_stops_no_sign_out(self, both: Rig) -> None:
        await both.browser.sign_in()
        token = (await both.browser.tokens())["id_token"]
        slug = await left(both, f"{PATH}?post_logout_redirect_uri={APP}/bye&id_token_hint={token}")
        shown = await both.browser.look(slug)
        assert (shown.component, shown.fields["notices"]) == ("ak-stage-session-end", ["address"])
        assert not {"confirm", "invalidation_flow_url"} & set(shown.fields)
        assert answer_of(await both.browser.authorize(prompt="none"))["error"] == "login_required"

    def test_entries_that_cannot_be_used(self) -> None:
        kind = provider(1).KIND
        for field, value in (
            ("post_logout_redirect_uris", [{"matching_mode": "regex", "url": "("}]),
            ("post_logout_redirect_uris", [{"matching_mode": "strict", "url": "javascript:x"}]),
            ("logout_uri", "/logout"),
            ("logout_uri", "https://user@app.example.org/"),
        ):
            values: Mapping[str, object] = {
                "name": "p", "authorization_flow": "f", "invalidation_flow": "f", "redirect_uris": [], field: value,
            }  # fmt: skip
            with pytest.raises(InvalidResource, match=field):
                kind.make(1, kind.parse(values))


class TestBackChannel:
    async def test_every_client_of_the_session_is_queued_with_its_end(self, both: Rig) -> None:
        both.change(told(), told(2, client_id="other"))
        await both.browser.sign_in()
        await both.browser.tokens()
        await both.browser.tokens()
        await both.browser.code(client_id="other")
        assert await queued(both) == []
        await both.browser.sign_out()
        found = await queued(both)
        assert [item["provider"] for item in sorted(found, key=lambda one: one["provider"])] == [1, 2]
        assert {item["issuer"] for item in found} == {f"{BASE}/application/o/{slug}/" for slug in ("wiki", "other")}
        assert await both.rows("SELECT 1 AS x FROM session_party") == []

    async def test_only_those_who_want_it(self, rig: Rig) -> None:
        rig.change(told(logout_method="frontchannel"))
        await rig.browser.sign_in()
        await rig.browser.tokens()
        await rig.browser.code(client_id="other")
        await rig.browser.sign_out()
        assert await queued(rig) == []

    async def test_a_client_whose_tokens_are_long_gone_is_told(self, rig: Rig) -> None:
        from ostiary.grants.cascades import SWEEPS

        rig.change(told())
        await rig.browser.sign_in()
        await rig.browser.tokens()
        rig.now += 40 * 24 * HOUR
        await rig.run(*(sweep(rig.now) for sweep in SWEEPS))
        assert await rig.rows("SELECT 1 AS x FROM grant_family") == []
        rig.now -= 39 * 24 * HOUR
        await rig.browser.sign_out()
        assert len(await queued(rig)) == 1

    async def test_the_token(self, rig: Rig) -> None:
        rig.change(told())
        await rig.browser.sign_in()
        identity = await verified(rig, (await rig.browser.tokens())["id_token"])
        await rig.browser.sign_out()
        inbox = Inbox()
        await inbox.job(rig).handler((await queued(rig))[0], now=rig.now)
        ((url, token),) = inbox.received
        assert url == f"{APP}/logout?x=1"
        assert jws.extract_compact(token.encode()).headers()["typ"] == "logout+jwt"
        claims = await verified(rig, token)
        assert claims.pop("jti")
        assert claims == {
            "iss": identity["iss"], "aud": "wiki", "sub": identity["sub"], "sid": identity["sid"],
            "iat": rig.now // SECOND, "exp": rig.now // SECOND + 120,
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        }  # fmt: skip
        (event,) = await rig.events("custom_backchannel_logout")
        assert event["username"] == "ada"
        assert json.loads(event["context"])["application"] == "Wiki"

    async def test_retried_until_it_is_taken(self, rig: Rig) -> None:
        rig.change(told())
        await rig.browser.sign_in()
        await rig.browser.tokens()
        await rig.browser.sign_out()
        (args,) = await queued(rig)
        inbox = Inbox(OutgoingFailed("no answer"), 503, 302, 404, 204)
        job = inbox.job(rig)
        for _ in range(4):
            with pytest.raises(DeliveryFailed):
                await job.handler(args, now=rig.now)
        await job.handler(args, now=rig.now)
        assert len(await rig.events("custom_backchannel_logout")) == 1
        assert len({token for _, token in inbox.received}) == 5, "each try has a token of its own"

    async def test_a_client_that_refuses_is_not_asked_again(self, rig: Rig) -> None:
        rig.change(told())
        await rig.browser.sign_in()
        await rig.browser.tokens()
        await rig.browser.sign_out()
        await Inbox(400).job(rig).handler((await queued(rig))[0], now=rig.now)
        (event,) = await rig.events("custom_backchannel_logout_failed")
        assert json.loads(event["context"])["status"] == 400

    async def test_the_worker_gives_up_with_an_event(self, both: Rig) -> None:
        both.change(told())
        await both.browser.sign_in()
        await both.browser.tokens()
        await both.browser.sign_out()
        job = replace(Inbox(503, 503, 503).job(both), attempts=2)
        worker = Worker(cast("Any", both.database), [job], clock=lambda: both.now, poll=0.01)
        running = asyncio.create_task(worker.run())

        async def given_up() -> bool:
            rows = await both.rows("SELECT state, due FROM task")
            if [row["state"] for row in rows] == ["queued"]:  # to the next attempt: no lease runs out by that
                both.now = max(both.now, rows[0]["due"])
            return bool(await both.events("custom_backchannel_logout_failed"))

        await until(given_up)
        await worker.stop()
        await running
        (event,) = await both.events("custom_backchannel_logout_failed")
        assert "answered 503" in json.loads(event["context"])["message"]
        (row,) = await both.rows("SELECT state FROM task")
        assert row["state"] == "dead"

    async def test_what_changed_since(self, rig: Rig) -> None:
        rig.change(told())
        await rig.browser.sign_in()
        await rig.browser.tokens()
        await rig.browser.sign_out()
        (args,) = await queued(rig)
        inbox = Inbox()
        rig.change(provider(1))
        await inbox.job(rig).handler(args, now=rig.now)
        rig.drop("authentik_core.application", "app")
        await inbox.job(rig).handler(args, now=rig.now)
        assert inbox.received == []
        job = inbox.job(rig)
        assert job.given_up is not None
        assert list(job.given_up(args, "x", rig.now)) == []

    async def test_a_new_sign_in_goes_on_and_another_person_ends_it(self, rig: Rig) -> None:
        rig.change(told())
        await rig.browser.sign_in()
        await rig.browser.tokens()
        await rig.browser.sign_in()
        assert await queued(rig) == []
        await rig.browser.sign_in(8, "bob")
        assert [item["user"] for item in await queued(rig)] == [7]

    async def test_an_expired_session_tells_too(self, both: Rig) -> None:
        both.change(told())
        await both.browser.sign_in()
        tokens = await both.browser.tokens(scope="openid offline_access")
        short = await both.browser.tokens(scope="openid")
        later = both.now + 60 * 24 * HOUR
        assert await end_expired(cast("Any", both.database), both.sessions.hooks.on_end, later) == 1
        assert len(await queued(both)) == 1
        assert not await active(both, short["access_token"])
        assert not await active(both, tokens["access_token"])
        assert await active(both, tokens["refresh_token"]), "what is offline survives the session"


class TestFrontChannel:
    async def test_the_browser_is_shown_the_addresses_and_led_on(self, rig: Rig) -> None:
        rig.change(told(logout_method="frontchannel", invalidation_flow="logout"))
        await rig.browser.sign_in()
        identity = await verified(rig, (await rig.browser.tokens())["id_token"])
        await rig.browser.get(f"{PATH}?post_logout_redirect_uri={APP}/bye")
        for _ in range(2):  # a reload shows them again
            shown = await rig.browser.look("logout")
            assert shown.component == "ak-provider-iframe-logout"
            (one,) = shown.fields["logout_urls"]
            issuer = "https%3A%2F%2Fid.example.org%2Fapplication%2Fo%2Fwiki%2F"
            assert one["url"] == f"{APP}/logout?x=1&iss={issuer}&sid={identity['sid']}"
        await rig.browser.answer("logout", {"component": "ak-provider-iframe-logout"})
        assert await rig.browser.finish_flow("logout") == f"{APP}/bye"

    async def test_the_page_leads_on_without_an_answer(self, rig: Rig) -> None:
        from ostiary.web.request import Request

        rig.change(told(logout_method="frontchannel"))
        await rig.browser.sign_in()
        token = (await rig.browser.tokens())["id_token"]
        await rig.browser.get(f"{PATH}?id_token_hint={token}&post_logout_redirect_uri={APP}/bye")
        assert (await rig.browser.look("leave")).component == "ak-provider-iframe-logout"
        request = Request(headers={"cookie": rig.browser.cookie}, scheme="https", host="id.example.org")
        session = await rig.sessions.read(request, rig.now)
        assert session is not None
        query = rig.browser.pages["leave"] + "&logged_out=1"
        outcome = await rig.services.engine.challenge(request, session, "leave", query=query, now=rig.now)
        assert outcome.to == f"{APP}/bye"  # type: ignore[union-attr]

    async def test_nothing_to_load_nothing_to_show(self, rig: Rig) -> None:
        rig.change(told(logout_method="frontchannel", invalidation_flow="logout"))
        await rig.browser.sign_in()
        await rig.browser.get(f"{PATH}?post_logout_redirect_uri={APP}/bye")
        assert await rig.browser.finish_flow("logout") == f"{APP}/bye"


class TestWhatEnds:
    async def test_sign_out_ends_all_but_what_is_offline(self, both: Rig) -> None:
        await both.browser.sign_in()
        online, offline = await both.browser.tokens(scope="openid"), await both.browser.tokens()
        await both.browser.sign_out()
        assert not await active(both, online["access_token"])
        assert not await active(both, offline["access_token"])
        assert await active(both, offline["refresh_token"])
        answer = await both.token(grant_type="refresh_token", refresh_token=offline["refresh_token"])
        assert answer.status == 200

    @pytest.mark.parametrize("way", ["password", "revoke", "disabled"])
    async def test_an_end_from_outside_ends_what_is_offline_too(self, both: Rig, way: str) -> None:
        both.change(told())
        await both.browser.sign_in()
        tokens = await both.browser.tokens()
        code = await both.browser.code()
        database = cast("Any", both.database)
        hooks = [Notices(cast("Any", both.plane)).on_user_ended, on_user_disabled]
        accounts = Accounts(database, both.services.users, passwords := Passwords(), on_ended=hooks)
        if way == "password":
            await accounts.set_password("ada", Secret("correct horse battery"), now=both.now)
        elif way == "revoke":
            await accounts.revoke("ada", now=both.now)
            assert len(await both.events("custom_sessions_revoked")) == 1
        else:
            await both.run(*(one for hook in hooks for one in hook(7, both.now)))
        passwords.close()
        assert not await active(both, tokens["access_token"])
        assert not await active(both, tokens["refresh_token"])
        assert len(await queued(both)) == 1
        response = await both.token(grant_type="authorization_code", code=code, redirect_uri=CALLBACK)
        assert json_of(response)["error"] == "invalid_grant"
        if way != "disabled":
            assert answer_of(await both.browser.authorize(prompt="none"))["error"] == "login_required"
