"""What people and administrators do between two steps of an application."""

from __future__ import annotations

import re
import sqlite3
import time
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from typing import Any

import httpx2 as httpx
from live import Person, Server


def leave(person: Person) -> None:
    """End the person's session where it is: at the server, behind every application's back."""
    person.client.get(f"{person.base}/flows/-/default/invalidation/")
    person.get(f"{person.base}/flows/-/default/invalidation/")
    person.seen.clear()


def expire_sessions(server: Server) -> None:
    """Let the time of all sessions have passed."""
    with sqlite3.connect(server.folder / "data" / "ostiary.db", timeout=20) as database:
        past = int(time.time() * 1_000_000) - 1
        database.execute("UPDATE session SET expires = ?, idle_expires = ?", (past, past))
    database.close()


def shown(answer: httpx.Response) -> str:
    """Return the text of a page that people are shown, which is none that a program crashed into."""
    assert answer.status_code < 500, answer.text[:2000]
    return str(answer.text)


def message(answer: httpx.Response) -> str:
    """Return the words of a page, without its marks."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", shown(answer))).split())


class Form(HTMLParser):
    """The one form of a page, as a browser would post it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = found["action"]
        elif tag == "input" and "name" in found:
            self.fields[found["name"]] = found.get("value", "")


@dataclass
class Owner(Person):
    """Somebody who has the code of a device in hand."""

    user_code: str = ""

    def _answer(self, component: str, challenge: dict[str, Any]) -> dict[str, Any]:
        if component == "ak-provider-oauth2-device-code":
            return {"code": self.user_code}
        if component == "ak-provider-oauth2-device-code-finish":
            return {}
        return super()._answer(component, challenge)

    def allow(self, begun: dict[str, Any], *, typed: bool = False) -> httpx.Response:
        """Open the address that the device shows, with the code in it or to be typed."""
        self.user_code = begun["user_code"]
        return self.get(begun["verification_uri" if typed else "verification_uri_complete"])
