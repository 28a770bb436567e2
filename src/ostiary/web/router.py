"""The router: a dictionary for fixed paths, and a tree of dictionaries for paths with `{parameters}`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import field
from typing import Final

from ostiary.record import dataclass
from ostiary.web.errors import HttpError, NotFound
from ostiary.web.request import Request
from ostiary.web.response import Response, redirect

Handler = Callable[[Request], Awaitable[Response]]

_NOTHING: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Route:
    """A method of a path. A segment `{slug}` matches any non-empty segment."""

    method: str
    path: str
    handler: Handler
    name: str = ""


@dataclass(slots=True)
class _Node:
    methods: dict[str, Route] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    fixed: dict[str, _Node] = field(default_factory=dict)
    open: _Node | None = None


class Router:
    """All routes of the site. Raises ValueError for two routes with the same method and path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._fixed: dict[str, _Node] = {}
        self._root = _Node()
        self._routes: list[Route] = []
        for route in routes:
            self._add(route)

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def _add(self, route: Route) -> None:
        segments = route.path.split("/")[1:]
        names = tuple(segment[1:-1] for segment in segments if segment.startswith("{"))
        if names:
            node = self._root
            for segment in segments:
                if segment.startswith("{"):
                    node.open = node = node.open or _Node()
                else:
                    node = node.fixed.setdefault(segment, _Node())
        else:
            node = self._fixed.setdefault(route.path, _Node())
        if route.method in node.methods or (node.names and node.names != names):
            message = f"{route.method} {route.path} is routed twice, or its parameters have different names"
            raise ValueError(message)
        node.names = names
        node.methods[route.method] = route
        self._routes.append(route)

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """Return the route and the path's parameters. HEAD uses GET. Raises HttpError 404, or 405 with Allow."""
        match = self._find(path)
        if match is None:
            raise NotFound
        node, values = match
        route = node.methods.get(method) or (node.methods.get("GET") if method == "HEAD" else None)
        if route is None:
            allowed = sorted({*node.methods, *(("HEAD",) if "GET" in node.methods else ())})
            raise HttpError(405, "method_not_allowed", headers=(("allow", ", ".join(allowed)),))
        return route, dict(zip(node.names, values, strict=True)) if values else _NOTHING

    async def __call__(self, request: Request) -> Response:
        """Dispatch a request to its handler. A GET without the trailing slash is redirected to the path with it."""
        try:
            route, request.params = self.find(request.method, request.path)
        except NotFound:
            with_slash = request.path + "/"
            match = (
                None if request.path.endswith("/") or request.method not in {"GET", "HEAD"} else self._find(with_slash)
            )
            if match is None or "GET" not in match[0].methods:
                raise
            query = f"?{request.query}" if request.query else ""
            return redirect(request.prefix + with_slash + query, 301)
        return await route.handler(request)

    def _find(self, path: str) -> tuple[_Node, tuple[str, ...]] | None:
        node = self._fixed.get(path)
        if node is not None:
            return node, ()
        return _walk(self._root, path.split("/")[1:])


def _walk(node: _Node, segments: list[str]) -> tuple[_Node, tuple[str, ...]] | None:
    """Walk the tree. A fixed segment takes precedence over a parameter. The depth is limited by the routes."""
    if not segments:
        return (node, ()) if node.methods else None
    head, rest = segments[0], segments[1:]
    fixed = node.fixed.get(head)
    match = _walk(fixed, rest) if fixed is not None else None
    if match is None and node.open is not None and head:
        tail = _walk(node.open, rest)
        match = None if tail is None else (tail[0], (head, *tail[1]))
    return match
