"""Routing: precedence of fixed paths, 404, 405 with Allow, the trailing slash."""

from __future__ import annotations

import pytest

from ostiary.web.errors import HttpError, NotFound
from ostiary.web.request import Request
from ostiary.web.response import Response, text
from ostiary.web.router import Route, Router


def route(method: str, path: str) -> Route:
    async def handler(request: Request) -> Response:
        return text(f"{path} {sorted(request.params.items())}")

    return Route(method, path, handler)


ROUTER = Router(
    [
        route("GET", "/"),
        route("GET", "/a/"),
        route("POST", "/a/"),
        route("GET", "/o/{slug}/"),
        route("GET", "/o/{slug}/jwks/"),
        route("GET", "/o/token/"),
        route("POST", "/o/token/"),
        route("GET", "/o/authorize"),
        route("POST", "/only/{pk}/"),
        route("GET", "/o/{slug}/x/{pk}/"),
    ]
)


async def get(path: str, method: str = "GET", *, query: str = "", prefix: str = "") -> Response:
    return await ROUTER(Request(method=method, path=path, query=query, prefix=prefix))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "/ []"),
        ("/a/", "/a/ []"),
        ("/o/app/", "/o/{slug}/ [('slug', 'app')]"),
        ("/o/token/", "/o/token/ []"),
        ("/o/authorize", "/o/authorize []"),
        ("/o/token/jwks/", "/o/{slug}/jwks/ [('slug', 'token')]"),
        ("/o/a/x/7/", "/o/{slug}/x/{pk}/ [('pk', '7'), ('slug', 'a')]"),
    ],
)
async def test_found(path: str, expected: str) -> None:
    assert (await get(path)).body.decode() == expected


@pytest.mark.parametrize("path", ["/b/", "//", "/o//", "/o//jwks/", "/o/a/b/", "*", "/o/a/x//", "//evil.example/"])
async def test_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        await get(path)


async def test_method_not_allowed() -> None:
    with pytest.raises(HttpError) as caught:
        await get("/a/", "DELETE")
    assert caught.value.status == 405
    assert caught.value.headers == (("allow", "GET, HEAD, POST"),)
    with pytest.raises(HttpError) as caught:
        await get("/only/1/")
    assert caught.value.headers == (("allow", "POST"),)


async def test_head_is_get() -> None:
    assert (await get("/a/", "HEAD")).status == 200


async def test_the_trailing_slash_is_added() -> None:
    response = await get("/a", query="x=1", prefix="/auth")
    assert (response.status, response.header("location")) == (301, "/auth/a/?x=1")
    for path, method in (("/a", "POST"), ("/only/1", "GET"), ("/nothing", "GET")):
        with pytest.raises(NotFound):
            await get(path, method)


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "///"])
async def test_a01_the_slash_redirect_stays_on_the_site(path: str) -> None:
    with pytest.raises(NotFound):
        await get(path)


def test_a_duplicate_route_is_refused() -> None:
    with pytest.raises(ValueError, match="routed twice"):
        Router([route("GET", "/a/"), route("GET", "/a/")])
    with pytest.raises(ValueError, match="routed twice"):
        Router([route("GET", "/a/{x}/"), route("POST", "/a/{y}/")])
