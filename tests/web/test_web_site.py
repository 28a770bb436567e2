"""The middleware around every handler: limits, hosts, prefix, errors, headers."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from ostiary.web import response as answers
from ostiary.web.asgi import CSP, HEADER_COUNT_LIMIT, PATH_LIMIT, QUERY_LIMIT, Site
from ostiary.web.errors import HttpError
from ostiary.web.proxies import Proxies
from ostiary.web.request import BODY_LIMIT, Request
from ostiary.web.response import Response
from ostiary.web.router import Route, Router


class Busy(Exception):
    pass


async def echo(request: Request) -> Response:
    return answers.json({"base": request.base_url, "client": request.client, "path": request.path, "url": request.url})


async def page(request: Request) -> Response:
    return answers.html("<p>hello</p>")


async def crash(request: Request) -> Response:
    message = "the secret reason"
    raise RuntimeError(message)


async def busy(request: Request) -> Response:
    raise Busy


async def form(request: Request) -> Response:
    return answers.json(await request.form())


async def body(request: Request) -> Response:
    return answers.json(await request.json())


ROUTES = [
    Route("GET", "/echo/", echo),
    Route("GET", "/-/health/live/", echo),
    Route("GET", "/page/", page),
    Route("GET", "/crash/", crash),
    Route("GET", "/api/v3/crash/", crash),
    Route("GET", "/busy/", busy),
    Route("POST", "/form/", form),
    Route("POST", "/json/", body),
]


class Answer:
    def __init__(self, messages: list[Any]) -> None:
        self.status: int = messages[0]["status"]
        self.raw = [(name.decode(), value.decode()) for name, value in messages[0]["headers"]]
        self.headers = dict(self.raw)
        self.body: bytes = b"".join(message["body"] for message in messages[1:])

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def ask(
    path: str,
    *,
    method: str = "GET",
    headers: list[tuple[str, str]] | None = None,
    content: bytes = b"",
    chunks: list[bytes] | None = None,
    client: str = "127.0.0.1",
    site: Site | None = None,
) -> Answer:
    raw_path, _, query = path.partition("?")
    all_headers = headers or []
    if not any(name == "host" for name, _ in all_headers):
        all_headers = [("host", "id.example.org"), *all_headers]
    parts = chunks or [content]
    incoming = [
        {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}
        for number, part in enumerate(parts)
    ]
    outgoing: list[Any] = []

    async def receive() -> Any:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        outgoing.append(message)

    scope = {
        "type": "http",
        "method": method,
        "scheme": "http",
        "path": raw_path,
        "raw_path": raw_path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in all_headers],
        "client": (client, 1),
    }
    await (site or Site(Router(ROUTES)))(scope, receive, send)
    return Answer(outgoing)


async def test_every_response_has_its_request_id() -> None:
    answer = await ask("/echo/")
    assert answer.status == 200
    assert len(answer.headers["x-authentik-id"]) == 32
    assert answer.headers["x-powered-by"] == "authentik"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json["base"] == "http://id.example.org"
    missing = await ask("/nothing/")
    assert missing.status == 404
    assert missing.headers["x-powered-by"] == "authentik"


async def test_pages_have_security_headers() -> None:
    headers = (await ask("/page/")).headers
    assert headers["content-security-policy"] == CSP
    assert "unsafe" not in CSP
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


async def test_head_has_the_length_and_no_body() -> None:
    answer = await ask("/page/", method="HEAD")
    assert (answer.headers["content-length"], answer.body) == ("12", b"")


async def test_a_crash_reveals_only_the_request_id(caplog: pytest.LogCaptureFixture) -> None:
    answer = await ask("/crash/", headers=[("accept", "text/html")])
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert answer.headers["x-authentik-id"].encode() in answer.body
    response = await ask("/api/v3/crash/")
    assert response.json == {
        "detail": "Internal Server Error.",
        "code": "internal_error",
        "request_id": response.headers["x-authentik-id"],
    }
    assert "the secret reason" in caplog.text


async def test_errors_of_other_rooms_are_translated() -> None:
    def translate(error: Exception) -> HttpError | None:
        return HttpError(503, "busy", headers=(("retry-after", "5"),)) if isinstance(error, Busy) else None

    answer = await ask("/busy/", site=Site(Router(ROUTES), translate=translate))
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


async def test_finish_hooks_run_for_errors_and_may_fail() -> None:
    statuses: list[int] = []

    def note(request: Request, response: Response) -> None:
        statuses.append(response.status)

    await ask("/nothing/", site=Site(Router(ROUTES), finish=[note]))
    assert statuses == [404]

    def fail(request: Request, response: Response) -> None:
        raise RuntimeError

    assert (await ask("/echo/", site=Site(Router(ROUTES), finish=[fail]))).status == 500


async def test_a_failing_error_page_is_replaced() -> None:
    def broken(request: Request, error: HttpError) -> Response:
        raise RuntimeError

    assert (await ask("/nothing/", site=Site(Router(ROUTES), error_response=broken))).status == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/echo/%ff", 400),
        ("/echo%2f", 400),
        ("/echo/%00", 400),
        ("/" + "a" * PATH_LIMIT, 414),
        ("/echo/?" + "a" * (QUERY_LIMIT + 1), 414),
    ],
)
async def test_malformed_addresses_of_requests_are_refused(path: str, status: int) -> None:
    assert (await ask(path)).status == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("host", "a"), ("host", "b")], 400),
        ([("host", "id.example.org"), ("authorization", "a"), ("authorization", "b")], 400),
        ([("host", "")], 400),
        ([("host", "a b")], 400),
        ([("host", "a/b")], 400),
        ([("host", "user@host")], 400),
        ([("x-a", "1")] * (HEADER_COUNT_LIMIT + 1), 431),
        ([("x-a", "1" * 40_000)], 431),
        ([("host", "[::1]:9000")], 200),
    ],
)
async def test_oversized_and_malformed_headers_are_refused(headers: list[tuple[str, str]], status: int) -> None:
    assert (await ask("/echo/", headers=headers)).status == status


@pytest.mark.parametrize(
    ("raw_path", "path"),
    [
        ("//.well-known/openid-configuration", "/.well-known/openid-configuration"),
        ("/application/o/a//.well-known/openid-configuration", "/application/o/a/.well-known/openid-configuration"),
        ("//.well-known", "//.well-known"),
        ("//echo/", "//echo/"),
        ("/echo//", "/echo//"),
    ],
)
async def test_discovery_with_a_doubled_slash_is_found(raw_path: str, path: str) -> None:
    """OpenID Connect Discovery 4: clients must remove the issuer's slash first, and many do not."""

    async def show_path(request: Request) -> Response:
        return answers.json({"path": request.path})

    assert (await ask(raw_path, site=Site(show_path))).json == {"path": path}


async def test_a_prefix() -> None:
    site = Site(Router(ROUTES), prefix="/auth/")
    inside = await ask("/auth/echo/?a=1", site=site)
    assert inside.json == {
        "base": "http://id.example.org/auth",
        "client": "127.0.0.1",
        "path": "/echo/",
        "url": "/auth/echo/?a=1",
    }
    for path in ("/echo/", "/authecho/", "/aut", "/"):
        assert (await ask(path, site=site)).status == 404
    assert (await ask("/auth/echo", site=site)).headers["location"] == "/auth/echo/"


class Names:
    """One host is served, and another one after it has been looked up."""

    def accepts(self, request: Request) -> bool:
        return request.host == "id.example.org"

    async def refusal(self, request: Request) -> HttpError | None:
        return None if request.host == "new.example.org" else HttpError(421, "misdirected_request")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("id.example.org", 200),
        ("new.example.org", 200),
        ("ID.Example.org.:80", 200),
        ("id.example.org:9000", 421),
        ("evil-id.example.org", 421),
        ("evil.example", 421),
    ],
)
async def test_a47_only_known_hosts_are_served(host: str, status: int) -> None:
    site = Site(Router(ROUTES), hosts=Names())
    assert (await ask("/echo/", headers=[("host", host)], site=site)).status == status
    assert (await ask("/-/health/live/", headers=[("host", host)], site=site)).status == 200


FORWARDED = [
    ("x-forwarded-for", "203.0.113.9"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "public.example.org"),
]


async def test_headers_of_a_trusted_proxy_are_used() -> None:
    answer = await ask("/echo/", headers=FORWARDED)
    assert answer.json["base"] == "https://public.example.org"
    assert answer.json["client"] == "203.0.113.9"


async def test_a48_headers_of_an_untrusted_peer_are_ignored_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    site = Site(Router(ROUTES), proxies=Proxies())
    with caplog.at_level(logging.WARNING, "ostiary.web"):
        for _ in range(2):
            answer = await ask("/echo/", headers=FORWARDED, client="192.0.2.1", site=site)
    assert answer.json["base"] == "http://id.example.org"
    assert answer.json["client"] == "192.0.2.1"
    assert len(caplog.messages) == 1
    assert "OSTIARY_LISTEN__TRUSTED_PROXY_CIDRS=127.0.0.0/8,::1/128,192.0.2.1/32" in caplog.messages[0]


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("6.6.6.6, nonsense, 10.0.0.2", "10.0.0.2"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("", "10.0.0.1"),
        ("nonsense", "10.0.0.1"),
    ],
)
def test_a48_the_chain_is_read_from_the_right(chain: str, client: str) -> None:
    origin = Proxies(["10.0.0.0/8"]).origin("10.0.0.1", "http", {"host": "a", "x-forwarded-for": chain})
    assert origin.client == client


@pytest.mark.parametrize("chain", ["", "203.0.113.9", "203.0.113.9, 10.0.0.2", "6.6.6.6, 203.0.113.9, 192.0.2.2"])
def test_the_first_forwarded_scheme_and_host_is_used(chain: str) -> None:
    headers = {
        "host": "inner",
        "x-forwarded-for": chain,
        "x-forwarded-proto": "https, http",
        "x-forwarded-host": "public, middle",
    }
    origin = Proxies(["10.0.0.0/8"]).origin("10.0.0.1", "http", headers)
    assert (origin.scheme, origin.host) == ("https", "public")
    stranger = Proxies(["10.0.0.0/8"]).origin("192.0.2.1", "http", headers)
    assert (stranger.client, stranger.scheme, stranger.host) == ("192.0.2.1", "http", "inner")
    one = Proxies(["10.0.0.0/8"]).origin("10.0.0.1", "http", {"host": "a", "x-forwarded-proto": "gopher"})
    assert (one.scheme, one.host) == ("http", "a")


@pytest.mark.parametrize(
    ("scheme", "host", "expected"),
    [
        ("http", "id.example.org:80", "id.example.org"),
        ("http", "id.example.org:443", "id.example.org:443"),
        ("https", "ID.example.org.:443", "id.example.org"),
        ("https", "id.example.org:8443", "id.example.org:8443"),
        ("https", "[2001:DB8:0::1]:443", "[2001:db8::1]"),
        ("http", "a b", ""),
        ("http", "", ""),
    ],
)
def test_hosts_have_a_canonical_form(scheme: str, host: str, expected: str) -> None:
    proxies = Proxies()
    for _ in range(2):  # parsed, and from the cache
        assert proxies.origin("192.0.2.1", scheme, {"host": host}).host == expected
        forwarded = {"host": "inner", "x-forwarded-proto": scheme, "x-forwarded-host": host}
        assert proxies.origin("127.0.0.1", "http", forwarded).host == (expected if host else "inner")


def test_the_hint_includes_the_configured_networks(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ostiary.web"):
        Proxies(["10.42.0.0/16"]).origin("192.0.2.1", "http", {"host": "a", "x-forwarded-for": "203.0.113.9"})
    assert "OSTIARY_LISTEN__TRUSTED_PROXY_CIDRS=10.42.0.0/16,192.0.2.1/32" in caplog.messages[0]


def test_mapped_and_malformed_peer_addresses() -> None:
    proxies = Proxies(["10.0.0.0/8"])
    assert proxies.trusts("::ffff:10.0.0.1")
    assert not proxies.trusts("")
    for number in range(1100):
        proxies.trusts(f"192.0.2.{number}")
    with pytest.raises(ValueError, match="network"):
        Proxies(["nonsense"])


FORM = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")]
JSON = [("content-type", "application/json")]


async def test_forms_and_json() -> None:
    form_answer = await ask("/form/", method="POST", headers=FORM, chunks=[b"a=1", b"&a=2"])
    assert form_answer.json == [["a", "1"], ["a", "2"]]
    assert (await ask("/json/", method="POST", headers=JSON, content=b'{"a":1}')).json == {"a": 1}


@pytest.mark.parametrize(
    ("path", "headers", "content", "status"),
    [
        ("/form/", JSON, b"{}", 415),
        ("/form/", FORM, b"\xff", 400),
        ("/json/", FORM, b"{}", 415),
        ("/json/", JSON, b"{", 400),
        ("/json/", JSON, b"\xff", 400),
        ("/json/", JSON, b"[" * 60_000, 400),
        ("/form/", [*FORM, ("content-length", "-1")], b"", 400),
        ("/form/", [*FORM, ("content-length", str(BODY_LIMIT + 1))], b"", 413),
        ("/form/", FORM, b"a" * (BODY_LIMIT + 1), 413),
    ],
)
async def test_malformed_and_oversized_bodies_are_refused(
    path: str, headers: list[tuple[str, str]], content: bytes, status: int
) -> None:
    assert (await ask(path, method="POST", headers=headers, content=content)).status == status


async def test_a_disconnected_client() -> None:
    request = Request(method="POST", headers={"content-type": "application/json"}, receive=_gone)
    with pytest.raises(HttpError):
        await request.body()


async def _gone() -> Any:
    return {"type": "http.disconnect"}


async def test_a69_a_body_that_never_arrives_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setattr("ostiary.web.request.BODY_SECONDS", 0.01)

    async def never() -> Any:
        await asyncio.sleep(5)

    with pytest.raises(HttpError) as caught:
        await Request(receive=never).body()
    assert caught.value.status == 408


async def test_a_body_is_read_once_and_every_limit_applies() -> None:
    request = Request(body=b"12345")
    assert await request.body() == b"12345"
    with pytest.raises(HttpError):
        await request.body(limit=4)


async def test_query_values() -> None:
    request = Request(query="a=1&b=2&b=3")
    assert request.query_one("a") == "1"
    assert request.query_one("c") is None
    with pytest.raises(HttpError):
        request.query_one("b")


async def test_split_cookie_headers_are_joined() -> None:
    async def show(request: Request) -> Response:
        return answers.json(dict(request.cookies))

    site = Site(Router([Route("GET", "/", show)]))
    answer = await ask("/", headers=[("cookie", "a=1; b=2"), ("cookie", "a=3")], site=site)
    assert answer.json == {"b": "2"}


async def test_lifespan_and_websocket() -> None:
    sent: list[Any] = []
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    site = Site(Router([]))
    await site({"type": "lifespan"}, receive, send)
    await site({"type": "websocket"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]


def test_redirect_locations_are_encoded() -> None:
    response = answers.redirect("https://a.example/ü?x=%2F&y=[1]#f\r\nset-cookie: a", 303)
    assert response.header("location") == "https://a.example/%C3%BC?x=%2F&y=[1]#f%0D%0Aset-cookie:%20a"


def test_cookies_are_written() -> None:
    response = answers.empty()
    answers.set_cookie(response, "a", "1", max_age=5, path="/x", domain="example.org", secure=True, same_site="None")
    assert response.headers == [
        ("set-cookie", "a=1; Path=/x; SameSite=None; Max-Age=5; Domain=example.org; Secure; HttpOnly")
    ]
