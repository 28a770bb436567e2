"""The registry of endpoints: each is asked about its own path, and about no other."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary.signon.protocols import Protocols
from ostiary.web.request import Request
from ostiary.web.response import Response, text


class Echo:
    """An endpoint that says what it was asked."""

    def __init__(self, path: str) -> None:
        self.path = path

    async def answer_end(self, request: Request, pending: Any) -> Response | None:
        return text(f"taken {pending} {request.path}?{request.query}")

    async def answer(self, request: Request) -> Response:
        return text(f"{request.method} {request.prefix}{request.path}?{request.query}")

    async def find_start(self, request: Request, flow: Any) -> Any:
        return f"{flow} {request.path}"


BELOW = Request(method="POST", path="/if/flow/login/", prefix="/id")
PROTOCOLS = Protocols(Echo("/one/"), Echo("/two/"))


async def said(response: Response | None) -> str | None:
    return None if response is None else bytes(response.body).decode()


async def test_each_is_asked_about_its_own_path() -> None:
    assert await said(await PROTOCOLS.follow(BELOW, "/id/one/?a=b")) == "GET /id/one/?a=b"
    assert await said(await PROTOCOLS.follow(BELOW, "/id/two/")) == "GET /id/two/?"
    assert await PROTOCOLS.find_start(BELOW, "login", "/id/one/") == "login /one/"  # type: ignore[arg-type,comparison-overlap]


@pytest.mark.parametrize("to", ["/one/", "/id/three/", "/idx/one/", "/id/one", "https://id/one/", "//id/one/", "/id"])
async def test_nobody_is_asked_about_another_path(to: str) -> None:
    assert await PROTOCOLS.follow(BELOW, to) is None
    assert await PROTOCOLS.find_start(BELOW, None, to) is None  # type: ignore[arg-type]


def test_a_path_has_one_endpoint() -> None:
    with pytest.raises(ValueError, match="/one/"):
        PROTOCOLS.register(Echo("/one/"))


async def test_the_end_of_a_flow_is_handed_to_the_endpoint_it_leads_to() -> None:
    end: Any = "end"
    assert await said(await PROTOCOLS.answer_end(BELOW, "/id/two/?c", end)) == "taken end /two/?c"
    assert await PROTOCOLS.answer_end(BELOW, "/id/three/", end) is None
