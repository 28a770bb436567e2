"""Client of a registry (OCI distribution specification 1.1). It pushes only missing blobs and counts the bytes sent.

A tag of another image is never moved.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from ostiary_delivery.errors import BadDefinition, Refusal, Tampered, Unreachable
from ostiary_delivery.layer import digest_of
from ostiary_delivery.oci import MANIFEST, Image, Layout

TIMEOUT: Final = 60
_REDIRECTS: Final = {HTTPStatus.FOUND, HTTPStatus.SEE_OTHER, HTTPStatus.TEMPORARY_REDIRECT}
USER: Final = "DELIVERY_REGISTRY_USER"
PASSWORD: Final = "DELIVERY_REGISTRY_PASSWORD"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A repository of a registry: host with port, and the path of the image in it."""

    host: str
    path: str
    plain_http: bool

    @classmethod
    def parse(cls, text: str) -> Place:
        """Parse host[:port]/path. The loopback uses plain HTTP.

        Raises:
            BadDefinition: the text has another form, for example a tag.
        """
        host, slash, path = text.partition("/")
        if not slash or ":" in path or "@" in path or ("." not in host and ":" not in host and host != "localhost"):
            raise BadDefinition(f"{text!r} is not a place: write host[:port]/path, without a tag")
        name = host.partition(":")[0]
        return cls(host=host, path=path, plain_http=name == "localhost" or name.startswith("127."))


@dataclass(slots=True)
class PushResult:
    """The bytes sent by a push: sizes of blobs by digest, and of the manifest."""

    blobs: dict[str, int] = field(default_factory=dict)
    manifest: int = 0

    @property
    def total(self) -> int:
        """Bytes of content sent in all."""
        return sum(self.blobs.values()) + self.manifest


class Registry:
    """Client for one place of a registry."""

    def __init__(self, place: Place, *, environ: Mapping[str, str] = os.environ) -> None:
        self._place = place
        self._headers = {"Accept": MANIFEST}
        if environ.get(USER):
            pair = f"{environ[USER]}:{environ.get(PASSWORD, '')}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"

    def digest(self, tag: str) -> str | None:
        """Return the digest of a tag, or None without such a tag."""
        body = self.manifest(tag)
        return None if body is None else digest_of(body)

    def manifest(self, reference: str) -> bytes | None:
        """Return the manifest of a tag or digest, or None.

        Raises:
            Tampered: its digest differs from the requested or the announced one.
        """
        status, headers, body = self._api("GET", f"manifests/{reference}")
        if status == HTTPStatus.NOT_FOUND:
            return None
        self._require_status(status, body, HTTPStatus.OK)
        actual = digest_of(body)
        promised = reference if reference.startswith("sha256:") else headers.get("docker-content-digest", actual)
        if promised != actual:
            raise Tampered(f"the registry calls {reference} {promised}, and its bytes are {actual}")
        return body

    def blob(self, digest: str) -> bytes:
        """Return a verified blob.

        Raises:
            Tampered: its digest differs.
            Unreachable: the registry does not have it.
        """
        status, headers, body = self._api("GET", f"blobs/{digest}")
        if status in _REDIRECTS:  # large blobs often lie elsewhere; their digest is verified
            body = self._fetch_redirected(headers.get("location", ""))
        else:
            self._require_status(status, body, HTTPStatus.OK)
        if digest_of(body) != digest:
            raise Tampered(f"the registry's {digest} has other bytes: {digest_of(body)}")
        return body

    def push(self, layout: Layout, tag: str, *, advance: Callable[[int], None] = lambda _: None) -> PushResult:
        """Push an image under a tag. Blobs that the registry has are not sent.

        Raises:
            Refusal: the tag names another image.
            Unreachable: the registry does not answer, or not as expected.
        """
        image = layout.image
        current = self.digest(tag)
        if current == image.digest:
            return PushResult()
        if current is not None:
            raise Refusal(f"{tag} names {current} there, and this is {image.digest}: a tag is never moved")
        sent = PushResult()
        config = json.loads(image.manifest)["config"]["digest"]
        for digest in dict.fromkeys([*(str(one["digest"]) for one in image.layers), config]):
            data = layout.blob(digest)
            if not self._has(digest):
                self._send(digest, data)
                sent.blobs[digest] = len(data)
            advance(len(data))
        self.put_manifest(image.manifest, tag)
        sent.manifest = len(image.manifest)
        advance(sent.manifest)
        return sent

    def put(self, blobs: Mapping[str, bytes], manifest: bytes, tag: str) -> None:
        """Store an attachment such as a signature. An earlier one under the tag is replaced."""
        for digest, data in blobs.items():
            if not self._has(digest):
                self._send(digest, data)
        self.put_manifest(manifest, tag)

    def put_manifest(self, manifest: bytes, tag: str) -> None:
        """Store a manifest under a tag."""
        status, _, body = self._api("PUT", f"manifests/{tag}", body=manifest, more={"Content-Type": MANIFEST})
        self._require_status(status, body, HTTPStatus.CREATED)

    def _has(self, digest: str) -> bool:
        status, _, body = self._api("HEAD", f"blobs/{digest}")
        if status == HTTPStatus.NOT_FOUND:
            return False
        self._require_status(status, body, HTTPStatus.OK)
        return True

    def _send(self, digest: str, data: bytes) -> None:
        status, headers, body = self._api("POST", "blobs/uploads/")
        self._require_status(status, body, HTTPStatus.ACCEPTED)
        where = urljoin(f"{'http' if self._place.plain_http else 'https'}://{self._place.host}/", headers["location"])
        parts = urlsplit(where)
        if parts.netloc != self._place.host:
            raise Refusal(f"the registry wants the bytes sent to {parts.netloc}")
        target = f"{parts.path}?{parts.query}&digest={digest}" if parts.query else f"{parts.path}?digest={digest}"
        status, _, body = self._request("PUT", target, body=data, more={"Content-Type": "application/octet-stream"})
        self._require_status(status, body, HTTPStatus.CREATED)

    def _api(
        self, method: str, path: str, *, body: bytes | None = None, more: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        return self._request(method, f"/v2/{self._place.path}/{path}", body=body, more=more)

    def _request(
        self, method: str, target: str, *, body: bytes | None = None, more: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        kind = HTTPConnection if self._place.plain_http else HTTPSConnection
        connection = kind(self._place.host, timeout=TIMEOUT)
        try:
            connection.request(method, target, body=body, headers={**self._headers, **(more or {})})
            response: HTTPResponse = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        except (OSError, HTTPException) as error:
            raise Unreachable(f"the registry {self._place.host} does not answer: {error}") from error
        finally:
            connection.close()

    def _fetch_redirected(self, url: str) -> bytes:
        """Fetch a blob from the URL that a registry redirects to. No credentials are sent there."""
        parts = urlsplit(urljoin(f"{'http' if self._place.plain_http else 'https'}://{self._place.host}/", url))
        if parts.scheme != "https" and not self._place.plain_http:
            raise Refusal(f"the registry sends us to {parts.scheme}://{parts.netloc}, without TLS")
        kind = HTTPConnection if parts.scheme == "http" else HTTPSConnection
        connection = kind(parts.netloc, timeout=TIMEOUT)
        try:
            connection.request("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path)
            response = connection.getresponse()
            body = response.read()
        except (OSError, HTTPException) as error:
            raise Unreachable(f"{parts.netloc} does not answer: {error}") from error
        finally:
            connection.close()
        self._require_status(response.status, body, HTTPStatus.OK)
        return body

    def _require_status(self, status: int, body: bytes, expected: HTTPStatus) -> None:
        if status != expected:
            message: Any = body[:200].decode(errors="replace")
            raise Unreachable(f"the registry {self._place.host} answers {status}: {message}")


def pushed_size(image: Image, present: frozenset[str]) -> int:
    """Return the size in bytes of a push to a registry that has the blobs `present` (digests)."""
    config = json.loads(image.manifest)["config"]
    blobs = {str(one["digest"]): int(one["size"]) for one in (*image.layers, config)}
    return sum(size for digest, size in blobs.items() if digest not in present) + len(image.manifest)
