"""Speaks to a registry as the OCI distribution specification 1.1 says: asks, sends what is missing, names the image.

Counts the bytes it sends. A tag that names another image is never moved.
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
_MOVED: Final = {HTTPStatus.FOUND, HTTPStatus.SEE_OTHER, HTTPStatus.TEMPORARY_REDIRECT}
USER: Final = "DELIVERY_REGISTRY_USER"
PASSWORD: Final = "DELIVERY_REGISTRY_PASSWORD"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A repository of a registry: host with port, and the path of the image in it."""

    host: str
    path: str
    plain: bool

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read host[:port]/path; the loopback is spoken to without TLS.

        Raises:
            BadDefinition: the text is something else, for example one with a tag.
        """
        host, slash, path = text.partition("/")
        if not slash or ":" in path or "@" in path or ("." not in host and ":" not in host and host != "localhost"):
            raise BadDefinition(f"{text!r} is not a place: write host[:port]/path, without a tag")
        name = host.partition(":")[0]
        return cls(host=host, path=path, plain=name == "localhost" or name.startswith("127."))


@dataclass(slots=True)
class Sent:
    """What a push sent: blobs by digest with their sizes, and the manifest's bytes."""

    blobs: dict[str, int] = field(default_factory=dict)
    manifest: int = 0

    @property
    def total(self) -> int:
        """All bytes that were sent as content."""
        return sum(self.blobs.values()) + self.manifest


class Registry:
    """One place of a registry."""

    def __init__(self, place: Place, *, environ: Mapping[str, str] = os.environ) -> None:
        self._place = place
        self._headers = {"Accept": MANIFEST}
        if environ.get(USER):
            pair = f"{environ[USER]}:{environ.get(PASSWORD, '')}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"

    def digest(self, tag: str) -> str | None:
        """Return the digest that a tag names, or None when there is no such tag."""
        body = self.manifest(tag)
        return None if body is None else digest_of(body)

    def manifest(self, reference: str) -> bytes | None:
        """Return the manifest that a tag or a digest names, or None when there is none.

        Raises:
            Tampered: its bytes are others than those that the registry, or the digest, promises.
        """
        status, headers, body = self._ask("GET", f"manifests/{reference}")
        if status == HTTPStatus.NOT_FOUND:
            return None
        self._expect(status, body, HTTPStatus.OK)
        found = digest_of(body)
        told = reference if reference.startswith("sha256:") else headers.get("docker-content-digest", found)
        if told != found:
            raise Tampered(f"the registry calls {reference} {told}, and its bytes are {found}")
        return body

    def blob(self, digest: str) -> bytes:
        """Return a blob, compared with its digest.

        Raises:
            Tampered: its bytes are others.
            Unreachable: the registry does not have it.
        """
        status, headers, body = self._ask("GET", f"blobs/{digest}")
        if status in _MOVED:  # large blobs often lie elsewhere; the digest says whether they are the right ones
            body = self._elsewhere(headers.get("location", ""))
        else:
            self._expect(status, body, HTTPStatus.OK)
        if digest_of(body) != digest:
            raise Tampered(f"the registry's {digest} has other bytes: {digest_of(body)}")
        return body

    def push(self, layout: Layout, tag: str, *, advance: Callable[[int], None] = lambda _: None) -> Sent:
        """Send an image under a tag, and only what the registry does not have.

        Raises:
            Refusal: the tag names another image.
            Unreachable: the registry does not answer as one.
        """
        image = layout.image
        there = self.digest(tag)
        if there == image.digest:
            return Sent()
        if there is not None:
            raise Refusal(f"{tag} names {there} there, and this is {image.digest}: a tag is never moved")
        sent = Sent()
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
        """Store a small thing beside an image, such as its signature; an earlier one under the tag is replaced."""
        for digest, data in blobs.items():
            if not self._has(digest):
                self._send(digest, data)
        self.put_manifest(manifest, tag)

    def put_manifest(self, manifest: bytes, tag: str) -> None:
        """Store a manifest under a tag."""
        status, _, body = self._ask("PUT", f"manifests/{tag}", body=manifest, more={"Content-Type": MANIFEST})
        self._expect(status, body, HTTPStatus.CREATED)

    def _has(self, digest: str) -> bool:
        status, _, body = self._ask("HEAD", f"blobs/{digest}")
        if status == HTTPStatus.NOT_FOUND:
            return False
        self._expect(status, body, HTTPStatus.OK)
        return True

    def _send(self, digest: str, data: bytes) -> None:
        status, headers, body = self._ask("POST", "blobs/uploads/")
        self._expect(status, body, HTTPStatus.ACCEPTED)
        where = urljoin(f"{'http' if self._place.plain else 'https'}://{self._place.host}/", headers["location"])
        parts = urlsplit(where)
        if parts.netloc != self._place.host:
            raise Refusal(f"the registry wants the bytes sent to {parts.netloc}")
        target = f"{parts.path}?{parts.query}&digest={digest}" if parts.query else f"{parts.path}?digest={digest}"
        status, _, body = self._request("PUT", target, body=data, more={"Content-Type": "application/octet-stream"})
        self._expect(status, body, HTTPStatus.CREATED)

    def _ask(
        self, method: str, path: str, *, body: bytes | None = None, more: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        return self._request(method, f"/v2/{self._place.path}/{path}", body=body, more=more)

    def _request(
        self, method: str, target: str, *, body: bytes | None = None, more: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        kind = HTTPConnection if self._place.plain else HTTPSConnection
        connection = kind(self._place.host, timeout=TIMEOUT)
        try:
            connection.request(method, target, body=body, headers={**self._headers, **(more or {})})
            answer: HTTPResponse = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        except (OSError, HTTPException) as error:
            raise Unreachable(f"the registry {self._place.host} does not answer: {error}") from error
        finally:
            connection.close()

    def _elsewhere(self, url: str) -> bytes:
        """Return what lies at the URL that a registry names; nobody's password goes there."""
        parts = urlsplit(urljoin(f"{'http' if self._place.plain else 'https'}://{self._place.host}/", url))
        if parts.scheme != "https" and not self._place.plain:
            raise Refusal(f"the registry sends us to {parts.scheme}://{parts.netloc}, without TLS")
        kind = HTTPConnection if parts.scheme == "http" else HTTPSConnection
        connection = kind(parts.netloc, timeout=TIMEOUT)
        try:
            connection.request("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException) as error:
            raise Unreachable(f"{parts.netloc} does not answer: {error}") from error
        finally:
            connection.close()
        self._expect(answer.status, body, HTTPStatus.OK)
        return body

    def _expect(self, status: int, body: bytes, wanted: HTTPStatus) -> None:
        if status != wanted:
            said: Any = body[:200].decode(errors="replace")
            raise Unreachable(f"the registry {self._place.host} answers {status}: {said}")


def pushed_size(image: Image, known: frozenset[str]) -> int:
    """Return how many bytes a push sends to a registry that has the blobs `known` (digests)."""
    config = json.loads(image.manifest)["config"]
    blobs = {str(one["digest"]): int(one["size"]) for one in (*image.layers, config)}
    return sum(size for digest, size in blobs.items() if digest not in known) + len(image.manifest)
