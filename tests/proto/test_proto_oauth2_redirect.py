"""Redirection addresses under attack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.proto.oauth2.authorization.redirect import (
    is_allowed,
    is_safe_redirect_uri,
    origin,
    origins,
    pattern_problem,
    with_fragment,
    with_query,
)


@dataclass(frozen=True)
class One:
    matching_mode: Literal["strict", "regex"]
    url: str


STRICT = (One("strict", "https://good.example/cb"),)
REGEX = (One("regex", r"https://[a-z]+\.good\.example/cb(/.*)?"),)


def test_a_listed_address_is_allowed() -> None:
    assert is_allowed("https://good.example/cb", STRICT)
    assert is_allowed("https://app.good.example/cb/deep", REGEX)
    assert is_allowed("com.example.app:/callback", [One("strict", "com.example.app:/callback")])


def test_an_empty_list_refuses_everything() -> None:
    assert not is_allowed("https://good.example/cb", ())


@pytest.mark.parametrize(
    "sent",
    [
        "https://good.example/cb/",
        "https://good.example/cb?x=1",
        "https://good.example/CB",
        "https://GOOD.example/cb",
        "https://good.example:443/cb",
        "https://good.example.evil/cb",
        "https://evilgood.example/cb",
        "https://good.example@evil.example/cb",
        "https://good.example/cb/../evil",
        "https://good.example/%63b",
        "http://good.example/cb",
        "https://good.example/cb\n",
        " https://good.example/cb",
        "",
    ],
)
def test_a01_a02_a03_strict_is_equal_to_the_character(sent: str) -> None:
    assert not is_allowed(sent, STRICT)


@pytest.mark.parametrize(
    "sent",
    [
        "https://app.good.example/cb.evil",
        "https://app.good.example.evil/cb",
        "https://app.good.example/cb\n",
        "https://app.good.example/cb/\\evil",
        "https://app.good.example/cb/../../evil",
        "https://app.good.example/cb/%2e%2e/evil",
        "https://app.good.example/cb/%252e%252e/evil",
        "https://app.good.example/cb/%5c..",
        "https://app.good.example/cb/#fragment",
        "https://app.good.example/cb/é",
        "https://appXgood.example/cb",
        "x https://app.good.example/cb",
        "https://app.good.example/cb/" + "a" * 2048,
    ],
)
def test_a03_a04_patterns_match_as_a_whole_and_plainly(sent: str) -> None:
    assert not is_allowed(sent, REGEX)


@pytest.mark.parametrize("sent", ["https://user@evil.example/", "https://a%2eevil.example/", "https://a/.."])
def test_a02_even_a_pattern_for_everything_wants_a_plain_target(sent: str) -> None:
    assert not is_allowed(sent, [One("regex", ".*")])


@pytest.mark.parametrize(
    "sent",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "https://a/#b",
        "/cb",
        "//a/b",
        "https://[/",
    ],
)
def test_a05_dangerous_targets_are_refused_always(sent: str) -> None:
    assert not is_allowed(sent, [One("strict", sent), One("regex", ".*")])


def test_what_an_administrator_is_told() -> None:
    assert pattern_problem("strict", "https://a.example/cb") is None
    assert pattern_problem("regex", r"https://.*\.example/cb") is None
    assert "javascript" in (pattern_problem("strict", "javascript:x") or "")
    assert pattern_problem("strict", "https://a.example/#x") is not None
    assert pattern_problem("strict", "/relative") is not None
    assert pattern_problem("regex", "(") is not None


def test_answers_keep_a_query() -> None:
    assert with_query("https://a/b", [("code", "1")]) == "https://a/b?code=1"
    assert with_query("https://a/b?x=1", [("code", "a b&c")]) == "https://a/b?x=1&code=a%20b%26c"
    assert with_query("https://a/b?", [("code", "1")]) == "https://a/b?code=1"
    assert with_query("https://a/b", []) == "https://a/b"
    assert with_fragment("https://a/b", [("code", "1")]) == "https://a/b#code=1"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://A.example/cb", "https://a.example"),
        ("https://a.example:443/cb", "https://a.example"),
        ("http://a.example:8080/cb", "http://a.example:8080"),
        ("http://[::1]:80/", "http://[::1]"),
        ("app:/cb", None),
        ("https://a:99999/", None),
        ("https:///x", None),
    ],
)
def test_origin(url: str, expected: str | None) -> None:
    assert origin(url) == expected


def test_patterns_have_no_origin() -> None:
    assert origins([*STRICT, *REGEX, One("strict", "app:/x")]) == {"https://good.example"}


@given(st.text(max_size=80))
def test_any_text_is_judged(text: str) -> None:
    if is_safe_redirect_uri(text):
        assert text.isascii()
        assert "#" not in text
    assert is_allowed(text, STRICT) == (text == STRICT[0].url)
    is_allowed(text, [One("regex", ".*")])
    origin(text)


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=5))
def test_parameters_arrive(pairs: list[tuple[str, str]]) -> None:
    encodable = [(n, v) for n, v in pairs if (n + v).isprintable()]
    found = parse_qsl(urlsplit(with_query("https://a/b?x=y", encodable)).query, keep_blank_values=True)
    assert found == [("x", "y"), *encodable]
