"""Patterns of addresses: they mean what `re` means by them, and no text makes them slow."""

from __future__ import annotations

import contextlib
import re
import time
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.proto.oauth2.authorization.pattern import (
    MAX_CACHED_STEPS,
    MAX_LENGTH,
    BadPattern,
    RedirectPattern,
    pattern,
)
from ostiary.proto.oauth2.authorization.redirect import is_allowed, pattern_problem
from ostiary.providers.oauth2.provider.fields import RedirectURI

ATOMS = st.sampled_from(
    ["a", "b", "A", ".", r"\.", r"\d", r"\w", r"\W", r"\S", "[ab]", "[^ab]", "[a-c0]", r"[^\d-]", "[A-b]", "^", "$", r"\A",
     r"\Z", "1", "/", "(?i:a)", "(?i:[^b])", "(?i:[A-b])", "(?-i:a)", ""]
)  # fmt: skip
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "*?", "+?", "{0,2}", "{2}", "{1,}", "{0}"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=8,
)
TEXTS = st.text(alphabet="abAB10./-", max_size=8)


@given(PATTERNS, TEXTS, st.booleans())
def test_it_means_what_re_means(expression: str, text: str, caseless: bool) -> None:
    expression = f"(?i){expression}" if caseless else expression
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert RedirectPattern(expression).fullmatch(text) == (re.fullmatch(expression, text) is not None)


@pytest.mark.parametrize(
    ("expression", "text", "matches"),
    [
        (r"https://[a-z0-9-]+\.example\.com(:\d+)?/cb", "https://a-1.example.com:8443/cb", True),
        (r"https://[a-z0-9-]+\.example\.com(:\d+)?/cb", "https://a.b.example.com/cb", False),
        (r"^https://.*\.example\.com/.*$", "https://x.example.com/y?z", True),
        (r"https://.*\.preview\..*\.example\.com/.*", "https://x.preview.y.example.com/", True),
        ("(?i)HTTPS://A/", "https://a/", True),
        ("(?:https|http)://a(?:/.*)?", "http://a", True),
        ("(?P<host>a|b){2,3}", "aba", True),
        ("", "", True),
        ("a", "", False),
    ],
)
def test_patterns_of_people(expression: str, text: str, matches: bool) -> None:
    assert pattern(expression).fullmatch(text) is matches


EVIL = {
    "(a+)+$": "a" * 2000 + "!",
    "(a|a)*$": "a" * 2000 + "!",
    "(a|aa)+$": "a" * 2000 + "!",
    "https://(.*)*x": "https://" + "y" * 2000,
    "https://.*.*.*.*.*.*x": "https://" + "y" * 2000,
    r"https://([a-z]+\.)*[a-z]+\.([a-z]+\.)*com": "https://" + "a." * 900 + "net",
    r"(\w*)*(\w*)*-": "w" * 2000,
    "(a?){200}a{200}": "a" * 500 + "!",
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("expression", EVIL)
def test_a04_no_address_makes_a_pattern_slow(expression: str) -> None:
    begun = time.process_time()
    assert pattern_problem("regex", expression) is None
    assert not is_allowed(
        "https://" + EVIL[expression].removeprefix("https://"), [RedirectURI("regex", f"https://{expression}")]
    )
    assert not pattern(expression).fullmatch(EVIL[expression])
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    "expression",
    [r"(a)\1", "(?=a)a", "(?!a)b", "(?<=a)b", "(?<!a)b", r"\ba", r"a\B", "a++", "(?>a)", "(a)?(?(1)b|c)", "(", "a**", "a{1001}",
     "(?:a{40}){40}", "a" * (MAX_LENGTH + 1), "(" * 300 + ")" * 300, "(?:a|b|c|d){0,4294967294}", r"\p{L}"]
)  # fmt: skip
def test_what_cannot_be_matched_in_time_is_refused_when_it_is_saved(expression: str) -> None:
    begun = time.process_time()
    expected = pattern_problem("regex", expression)
    assert expected is None or expected.startswith("expected ")
    if expression.startswith("((((("):
        return  # deep, and nothing: either will do
    assert expected is not None
    assert time.process_time() - begun < 2
    assert not is_allowed("https://a/", [RedirectURI("regex", expression)])


@pytest.mark.parametrize("expression", ["(()){4000000000}", "(?:(?:)){99999}", "(a{0}){99999}", "(?:^){99999}a"])
def test_nothing_however_often(expression: str) -> None:
    begun = time.process_time()
    with contextlib.suppress(BadPattern):
        RedirectPattern(expression)
    assert time.process_time() - begun < 2


def test_a68_the_number_of_tracked_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostiary.proto.oauth2.authorization.pattern.MAX_CACHED_STEPS", 50)
    compiled = RedirectPattern("(?:[!-~]{1,40}x)+")
    for number in range(200):
        assert compiled.fullmatch(chr(0x21 + number % 90) * (1 + number % 38) + "x")
    assert 0 < len(compiled._steps) <= 50 < MAX_CACHED_STEPS
