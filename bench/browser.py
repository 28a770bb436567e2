"""A browser without a socket: it follows redirects, keeps cookies and fills in the forms of pages, for any server.

`visit` yields requests and is sent answers, so that one text serves the setting up and the load.
"""

from __future__ import annotations

import html
import re
from collections.abc import Generator, Mapping
from typing import Final
from urllib.parse import urlencode, urljoin, urlsplit

from message import Answer, form, request

_FORM: Final = re.compile(r"<form\b([^>]*)>(.*?)</form>", re.DOTALL)
_INPUT: Final = re.compile(r"<input\b([^>]*)>")
_ATTRIBUTE: Final = re.compile(r'([a-z-]+)="([^"]*)"')
_REFRESH: Final = re.compile(r'http-equiv="refresh" content="0; url=([^"]*)"')
_MAX_REQUESTS: Final = 30  # requests; a sign-in takes fewer
_REDIRECTS: Final = frozenset({301, 302, 303})
_ACCEPT: Final = {"Accept": "text/html", "Accept-Language": "en", "User-Agent": "bench"}

Visit = Generator[bytes, Answer, str]


class Lost(Exception):
    """The browser does not know how to go on."""


class Browser:
    """Cookies, and what the person types into fields, by their names."""

    def __init__(self, typed: Mapping[str, str]) -> None:
        self._typed = dict(typed)
        self._cookies: dict[tuple[str, str], str] = {}  # by path and name

    def visit(self, url: str, *, until: str) -> Visit:
        """Go to a path and on from there until an address begins with `until`; return that address."""
        sent = self._get(url)
        for _ in range(_MAX_REQUESTS):
            answer = yield sent
            self._keep(answer, url)
            to = self._onward(answer)
            if to is not None:
                if to.startswith(until):
                    return to
                url = _local(urljoin(url, to))
                sent = self._get(url)
                continue
            action, values = self._filled(answer)
            url = _local(urljoin(url, action))
            sent = form(url, values, headers=self._headers(url))
        raise Lost(f"no end after {_MAX_REQUESTS} requests: {url}")

    def request(self, url: str) -> bytes:
        """Return the octets of a GET with the cookies held now."""
        return self._get(url)

    def _onward(self, answer: Answer) -> str | None:
        if answer.status in _REDIRECTS:
            return answer.header("location")
        if answer.status != 200:  # noqa: PLR2004 - OK
            raise Lost(f"{answer.status} {answer.body[:300]!r}")
        found = _REFRESH.search(answer.body.decode())
        return html.unescape(found[1]) if found else None

    def _filled(self, answer: Answer) -> tuple[str, dict[str, str]]:
        page = answer.body.decode()
        for found in _FORM.finditer(page):
            attributes = dict(_ATTRIBUTE.findall(found[1]))
            values = {}
            for item in _INPUT.finditer(found[2]):
                one = dict(_ATTRIBUTE.findall(item[1]))
                if "name" in one:
                    values[one["name"]] = self._typed.get(one["name"], html.unescape(one.get("value", "")))
            if attributes.get("method", "").lower() == "post" and values:
                return html.unescape(attributes.get("action", "")), values
        raise Lost(f"a page without a form: {page[:300]}")

    def _get(self, url: str) -> bytes:
        return request("GET", url, headers=self._headers(url))

    def _headers(self, url: str) -> dict[str, str]:
        path = urlsplit(url).path
        cookies = [f"{name}={value}" for (at, name), value in self._cookies.items() if path.startswith(at)]
        return {**_ACCEPT, "Cookie": "; ".join(cookies)} if cookies else dict(_ACCEPT)

    def _keep(self, answer: Answer, url: str) -> None:
        for line in answer.headers("set-cookie"):
            pair, *rest = line.split(";")
            name, _, value = pair.partition("=")
            attributes = {key.strip().lower(): text for key, _, text in (item.partition("=") for item in rest)}
            key = attributes.get("path") or urlsplit(url).path, name
            if value and attributes.get("max-age") != "0":
                self._cookies[key] = value
            else:
                self._cookies.pop(key, None)


def _local(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def query(path: str, values: Mapping[str, str]) -> str:
    """Return a path with its query."""
    return f"{path}?{urlencode(values)}"
