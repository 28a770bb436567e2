"""Static files. Their URLs contain a content hash and can be cached for ever. They are kept in memory, also gzipped."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ostiary.record import dataclass
from ostiary.web.errors import NotFound
from ostiary.web.request import Request
from ostiary.web.response import Response
from ostiary.web.router import Route

PATH: Final = "/static/ostiary/"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_REFERENCE: Final = re.compile(rb'url\("([a-z0-9.-]+)"\)')


@dataclass(frozen=True, slots=True)
class _File:
    name: str  # with the hash
    body: bytes
    packed: bytes
    content_type: str


class Static:
    """The files of a flat folder. They are read once, on first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_name: dict[str, _File] = {}
        self._served: Mapping[str, _File] | None = None

    def path(self, name: str) -> str:
        """Return the path of a file, without the site's prefix. Raises KeyError for an unknown file."""
        self._load()
        return PATH + self._by_name[name].name

    def routes(self) -> tuple[Route, ...]:
        """Return the one route that serves all files."""
        return (Route("GET", PATH + "{name}", self._serve, "static"),)

    async def _serve(self, request: Request) -> Response:
        file = self._load().get(request.params["name"])
        if file is None:
            raise NotFound
        headers = [
            ("content-type", file.content_type),
            ("cache-control", "public, max-age=31536000, immutable"),
            ("vary", "accept-encoding"),
        ]
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(200, file.packed, [*headers, ("content-encoding", "gzip")])
        return Response(200, file.body, headers)

    def _load(self) -> Mapping[str, _File]:
        if self._served is None:
            paths = sorted(path for path in self._folder.iterdir() if path.suffix in _TYPES)
            # Style sheets last: they refer to the other files.
            for path in sorted(paths, key=lambda path: path.suffix == ".css"):
                self._by_name[path.name] = self._read(path)
            self._served = {file.name: file for file in self._by_name.values()}
        return self._served

    def _read(self, path: Path) -> _File:
        body = path.read_bytes()
        if path.suffix == ".css":
            body = _REFERENCE.sub(lambda match: b'url("%s")' % self._by_name[match[1].decode()].name.encode(), body)
        digest = hashlib.sha256(body).hexdigest()[:12]
        return _File(f"{path.stem}.{digest}{path.suffix}", body, gzip.compress(body, 9, mtime=0), _TYPES[path.suffix])
