"""Queries, forms and cookies: any input is either parsed exactly or refused."""

from __future__ import annotations

from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.web.errors import BadRequest
from ostiary.web.parameters import PAIRS_LIMIT, clean, decode_path, parse_cookies, parse_pairs, unique

STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~", min_size=1)
COOKIE_VALUE = st.text("abcXYZ019!#$%&'()*+-./:<=>?@[]^_`{|}~")


@given(st.lists(st.tuples(STORABLE, STORABLE), max_size=20))
def test_encoded_pairs_are_decoded(pairs: list[tuple[str, str]]) -> None:
    # An empty pair is encoded as "=", which is not skipped.
    assert parse_pairs(urlencode(pairs)) == pairs


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        pairs = parse_pairs(text)
    except BadRequest:
        return
    assert all("\0" not in name + value for name, value in pairs)
    assert len(pairs) <= PAIRS_LIMIT


@given(st.binary(max_size=40))
def test_any_percent_encoded_bytes(data: bytes) -> None:
    text = "".join(f"%{byte:02x}" for byte in data)
    try:
        expected = [(data.decode(), "")] if data and b"\0" not in data else []
    except UnicodeDecodeError:
        expected = None
    if expected is None or b"\0" in data:
        with pytest.raises(BadRequest):
            parse_pairs(text)
    else:
        assert parse_pairs(text) == expected


@pytest.mark.parametrize("text", ["a=%ff", "a=%00", "%c3=1", "a=%ed%a0%80", "a=1&" * 300])
def test_malformed_pairs_are_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_pairs(text)


def test_unusual_pairs_are_accepted() -> None:
    assert parse_pairs("") == []
    assert parse_pairs("&&a&b=&=c&d=1=2&e=%zz") == [("a", ""), ("b", ""), ("", "c"), ("d", "1=2"), ("e", "%zz")]
    assert parse_pairs("a=b+c&d=b%2Bc") == [("a", "b c"), ("d", "b+c")]


def test_a07_a_parameter_sent_twice_is_refused() -> None:
    assert unique([("a", "1"), ("b", "2")]) == {"a": "1", "b": "2"}
    with pytest.raises(BadRequest):
        unique([("a", "1"), ("a", "1")])


@given(st.dictionaries(TOKEN, COOKIE_VALUE, max_size=8))
def test_cookies_are_parsed(cookies: dict[str, str]) -> None:
    header = "; ".join(f"{name}={value}" for name, value in cookies.items())
    assert parse_cookies(header) == cookies


@given(st.text(), TOKEN, COOKIE_VALUE, COOKIE_VALUE)
def test_a40_a_repeated_cookie_is_omitted(before: str, name: str, first: str, second: str) -> None:
    assert name not in parse_cookies(f"{before};{name}={first}; {name}={second}")


def test_unusual_cookies() -> None:
    assert parse_cookies('a="1"; b; =c; ;d=e=f; a2 =x') == {"a": "1", "d": "e=f", "a2 ": "x"}
    assert parse_cookies("") == {}


@given(STORABLE)
def test_paths_are_decoded(text: str) -> None:
    if "/" in text or "\\" in text:
        with pytest.raises(BadRequest):
            decode_path("/" + quote(text, safe=""))
    else:
        assert decode_path("/" + quote(text, safe="")) == "/" + text


@pytest.mark.parametrize("raw", ["/a%2fb", "/a%5Cb", "/%00", "/%ff", "/%ed%a0%80", "/a%2Fb"])
def test_a03_encoded_separators_and_invalid_utf8_are_refused(raw: str) -> None:
    with pytest.raises(BadRequest):
        decode_path(raw)


def test_a03_paths_are_decoded_once() -> None:
    assert decode_path("/a%252fb") == "/a%2fb"


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(BadRequest):
        clean("a\ud800")
    assert parse_pairs("a=" + quote_plus("😀")) == [("a", "😀")]
