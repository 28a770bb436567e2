"""Sign-out: by the application, told over the back channel and through the browser, and what ends with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast
from urllib.parse import quote

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

from ostiary.directory.accounts import Accounts
from ostiary.directory.passwords import Passwords
from ostiary.grants.ending import on_user_disabled
from ostiary.providers.oauth2 import backchannel
from ostiary.providers.oauth2.backchannel import NAME, Notices, NotTold
from ostiary.providers.oauth2.resources import RedirectURI
from ostiary.resource import InvalidResource, codec
from ostiary.seal import Secret
from ostiary.sessions.expiry import end_expired
from ostiary.tasks.job import Job
from ostiary.tasks.worker import Worker
from ostiary.web.outgoing import OutgoingFailed
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
        rig.browser.cookie = ""
        await rig.browser.sign_in()
        await rig.browser.get(f"{PATH}?id_token_hint={token}&post_logout_redirect_uri={APP}/bye")
        assert await rig.browser.finish_flow("leave") == f"{APP}/bye"
        assert answer_of(await rig.browser.authorize(prompt="none"))["error"] == "login_required"

    async def test_a_hint_about_somebody_else_only_asks(self, rig: Rig) -> None:
        rig.change(told())
        await rig.browser.sign_in(8, "bob")
        token = (await rig.browser.tokens())["id_token"]
        await rig.browser.sign_out()
        rig.browser.cookie = ""
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
        for query in (f"id_token_hint={token[:-9]}xxxxxxxxx", "id_token_hint=x", "client_id=other", "state=a&state=b"):
            assert (await rig.browser.get(f"{PATH}?{query}")).status == 400
        other = "/application/o/other/end-session/"
        assert (await rig.browser.get(f"{other}?id_token_hint={token}")).status == 400
        assert await active(rig, tokens["access_token"])

    async def test_a14_no_other_algorithm_and_no_logout_token(self, rig: Rig) -> None:
        rig.change(told())
        await rig.browser.sign_in()
        claims = await verified(rig, (await rig.browser.tokens())["id_token"])
        from joserfc.jwk import OctKey

        forged = jws.serialize_compact({"alg": "HS256"}, codec.encode(claims), OctKey.import_key(SECRET))
        client = backchannel.client_by_provider(rig.plane.snapshot, 1)
        assert client is not None
        other_kind = client.sign(codec.encode(claims), typ="logout+jwt")
        for hint in (forged, other_kind):
            assert (await rig.browser.get(f"{PATH}?id_token_hint={hint}")).status == 400

    async def test_a_hint_only_the_client_can_read_asks(self, rig: Rig) -> None:
        rig.change(told())
        await rig.browser.sign_in()
        await rig.browser.get(f"{PATH}?id_token_hint=a.b.c.d.e&post_logout_redirect_uri={APP}/bye")
        assert (await rig.browser.look("leave")).fields["confirm"] is True

    async def test_without_a_hint_authentiks_page_offers_it(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        await rig.browser.get(PATH)
        shown = await rig.browser.look("leave")
        assert shown.component == "ak-stage-session-end"
        assert shown.fields["invalidation_flow_url"] == "/flows/-/default/invalidation/"
        assert "confirm" not in shown.fields
        assert "code" in answer_of(await rig.browser.authorize(prompt="none"))

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
        assert (await rig.browser.get(f"{PATH}?post_logout_redirect_uri={quote(uri, safe='')}")).status == (
            400 if uri else 302
        )

    async def test_an_empty_list_allows_nothing(self, rig: Rig) -> None:
        assert (await rig.browser.get(f"{PATH}?post_logout_redirect_uri={APP}/bye")).status == 400

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
        from ostiary.grants.ending import sweep

        rig.change(told())
        await rig.browser.sign_in()
        await rig.browser.tokens()
        rig.now += 40 * 24 * HOUR
        await rig.run(*sweep(rig.now))
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
        assert codec.decode(event["context"])["application"] == "Wiki"

    async def test_retried_until_it_is_taken(self, rig: Rig) -> None:
        rig.change(told())
        await rig.browser.sign_in()
        await rig.browser.tokens()
        await rig.browser.sign_out()
        (args,) = await queued(rig)
        inbox = Inbox(OutgoingFailed("no answer"), 503, 302, 404, 204)
        job = inbox.job(rig)
        for _ in range(4):
            with pytest.raises(NotTold):
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
        assert codec.decode(event["context"])["status"] == 400

    async def test_the_worker_gives_up_with_an_event(self, both: Rig) -> None:
        both.change(told())
        await both.browser.sign_in()
        await both.browser.tokens()
        await both.browser.sign_out()
        job = replace(Inbox(503, 503, 503).job(both), attempts=2)
        worker = Worker(cast("Any", both.database), [job], clock=lambda: both.now, poll=0.01)
        import asyncio

        running = asyncio.create_task(worker.run())
        for _ in range(400):
            await asyncio.sleep(0.01)
            both.now += SECOND
            if await both.events("custom_backchannel_logout_failed"):
                break
        await worker.stop()
        await running
        (event,) = await both.events("custom_backchannel_logout_failed")
        assert "answered 503" in codec.decode(event["context"])["message"]
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
        assert await end_expired(cast("Any", both.database), both.gate.hooks.on_end, later) == 1
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
        session = await rig.gate.read(request, rig.now)
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
