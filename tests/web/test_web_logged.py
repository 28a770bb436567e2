"""A73: secrets in a path are not logged."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.web.asgi import Site
from ostiary.web.logged import logged_path
from ostiary.web.request import Request
from ostiary.web.response import Response, text
from ostiary.web.router import Route, Router

KEY = "Zk3" * 20
SEGMENTS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="/"), max_size=40), max_size=5)


@given(SEGMENTS, SEGMENTS)
def test_a73_keys_are_not_logged(before: list[str], behind: list[str]) -> None:
    path = "/" + "/".join([*before, KEY, *behind])
    assert KEY not in logged_path(path, {})
    assert KEY not in logged_path(path, {"key": KEY})
    assert KEY not in logged_path(path, {"slug": "wiki", "anything": KEY})


def test_names_are_logged() -> None:
    slug = "an-application-with-a-name-that-is-longer-than-most-of-them-are"
    assert logged_path(f"/application/o/{slug}/", {"slug": slug}) == f"/application/o/{slug}/"
    assert logged_path("/if/flow/x/", {"slug": "x"}) == "/if/flow/x/"
    short = logged_path("/recovery/use-token/abc/", {"key": "abc"})
    assert short == "/recovery/use-token/{key}/"
    assert logged_path("/", {}) == "/"


@pytest.mark.parametrize(
    ("method", "path", "written"),
    [
        ("GET", f"/use/{KEY}/", "/use/{key}/"),
        ("POST", f"/use/{KEY}/", "/use/{...}/"),
        ("GET", f"/use/{KEY}", "/use/{...}"),
        ("GET", f"/used/{KEY}/x", "/used/{...}/x"),
        ("GET", f"/{KEY}", "/{...}"),
    ],
)
async def test_a73_the_access_log_contains_no_keys(
    caplog: pytest.LogCaptureFixture, method: str, path: str, written: str
) -> None:
    async def answer(_request: Request) -> Response:
        return text("ok")

    site = Site(Router([Route("GET", "/use/{key}/", answer)]))
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": f"key={KEY}".encode(),
        "client": ("192.0.2.1", 1),
        "headers": [(b"host", b"id.example.org")],
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: object) -> None:
        return None

    with caplog.at_level(logging.DEBUG):
        await site(scope, receive, send)
    assert KEY not in caplog.text
    assert [record.args[1] for record in caplog.records if record.name == "ostiary.access"] == [written]  # type: ignore[index]
