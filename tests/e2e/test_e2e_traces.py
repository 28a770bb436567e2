"""Traces of a real server: a whole sign-in and a recovery by mail, as a collector sees them, without one secret."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx2 as httpx
import pytest
from live import Make, Person, Server
from support.collector import Collector, Seen, collector
from support.mail_server import ADDRESS, MailServer, mail_server
from support.waiting import wait_until

HERE = Path(__file__).parent
RECOVERY = HERE.parents[1] / "examples" / "recovery-by-mail" / "blueprint.yaml"
PASSWORD = "correct horse battery"
CALLBACK = "http://localhost:9/callback"
CLIENT = ("authlib", "authlib-secret-for-tests")
STATE, NONCE = "state-of-the-client", "nonce-of-the-client"


@pytest.fixture
def seen() -> Iterator[Collector]:
    with collector() as made:
        yield made


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


@pytest.fixture
def traced(make_server: Make, new_storage: Callable[[], dict[str, str]], seen: Collector, mail: MailServer) -> Server:
    server = make_server(
        **new_storage(),
        OTEL_EXPORTER_OTLP_ENDPOINT=seen.endpoint,
        OTEL_BSP_SCHEDULE_DELAY="200",
        OSTIARY_EMAIL__HOST=ADDRESS,
        OSTIARY_EMAIL__PORT=str(mail.port),
    ).start()
    server.cli("blueprint", "apply", str(HERE / "blueprint.yaml"))
    server.cli("blueprint", "apply", str(RECOVERY))
    server.add_user("ada", PASSWORD, "apache-people")
    return server


def signed_in(server: Server, person: Person) -> list[str]:
    """Sign in to an application, and return every value that lets somebody in."""
    wanted = {"client_id": CLIENT[0], "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid email"}
    query = urlencode({**wanted, "state": STATE, "nonce": NONCE})
    back = person.get(f"{server.url}/application/o/authorize/?{query}", stop=CALLBACK).headers["location"]
    code = dict(parse_qsl(urlsplit(back).query))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    answer = httpx.post(f"{server.url}/application/o/token/", data=form, auth=CLIENT).json()
    tokens = [answer["access_token"], answer["id_token"]]
    bearer = {"authorization": f"Bearer {tokens[0]}"}
    assert httpx.get(f"{server.url}/application/o/userinfo/", headers=bearer).status_code == 200
    return [code, *tokens, *(part for token in tokens for part in token.split("."))]


def recovered(server: Server, mail: MailServer) -> str:
    """Ask for a link by mail, open it, and return its token."""
    person = Person(server.url)
    executor = f"{server.url}/api/v3/flows/executor/recovery-by-mail/?query="
    challenge = person._follow(person.client.get(executor))
    person._follow(
        person.client.post(executor, json={"component": challenge["component"], "uid_field": "ada@example.org"})
    )
    wait_until(lambda: "ada@example.org" in mail.recipients, what="the message did not arrive")
    body = mail.accepted[-1].get_body(("plain",))
    assert body is not None
    link = re.search(r"http\S+flow_token=\S+", body.get_content())
    assert link is not None
    person.client.get(link.group())
    return parse_qs(urlsplit(link.group()).query)["flow_token"][0]


def above(seen: Collector, span: Seen) -> list[str]:
    """The names of what a span is part of, from the inside outwards."""
    by_id = {one.span_id: one for one in seen.spans}
    names = []
    while span.parent:
        span = by_id[span.parent]
        names.append(span.name)
    return names


def test_a73_the_traces_of_a_sign_in_tell_what_was_done_and_no_secret(
    traced: Server, seen: Collector, mail: MailServer
) -> None:
    person = Person(traced.url, "ada", PASSWORD)
    secrets = [PASSWORD, CLIENT[1], STATE, NONCE, *signed_in(traced, person), recovered(traced, mail)]
    secrets += [value for value in person.client.cookies.values() if len(value) > 8]
    ends = ("GET /application/o/userinfo/", "SMTP")
    wait_until(lambda: all(seen.named(name) for name in ends), what=lambda: str({one.name for one in seen.spans}))
    wait_until(lambda: bool(seen.named("task mail.send")))

    assert len({one.trace_id for one in seen.spans}) > 10  # one for each request and task
    answered = seen.named("answer PasswordStage")
    assert any(above(seen, one)[-1] == "POST /api/v3/flows/executor/{slug}/" for one in answered)
    assert answered[0].attributes["ostiary.verdict"] == "done"
    assert {one.attributes["db.system.name"] for one in seen.spans if "db.system.name" in one.attributes} == {
        "postgresql" if "AUTHENTIK_POSTGRESQL__HOST" in traced.environ else "sqlite"
    }
    below_token = seen.below(seen.one("POST /application/o/token/"))
    assert any(one.name == "write batch" for one in below_token)
    policies = seen.named("policies")
    assert policies
    assert any(
        one.name.startswith("policy ") and one.parent in {each.span_id for each in policies} for one in seen.spans
    )
    smtp = seen.one("SMTP")
    assert above(seen, smtp) == ["task mail.send"]
    assert smtp.attributes["server.port"] == mail.port

    told = seen.octets.decode("utf-8", "replace")
    assert [secret for secret in secrets if len(secret) > 3 and secret in told] == []
    assert "ada@example.org" not in told

    line = next(json.loads(line) for line in traced.log().splitlines() if "POST /application/o/token/" in line)
    assert line["trace_id"] == seen.one("POST /application/o/token/").trace_id
    assert line["trace_id"] in line["event"]  # the number of the request
    page = httpx.get(f"http://127.0.0.1:{traced.metrics}/metrics").text
    assert 'ostiary_trace_spans_total{result="exported"}' in page
    assert 'ostiary_trace_spans_total{result="dropped"} 0.0' in page
    traced.stop()
    assert seen.resource["service.name"] == "ostiary"
