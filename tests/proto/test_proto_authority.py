"""Host and port: one spelling, whatever was written."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.proto.authority import canonical, is_loopback, read_address, split

NAMES = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9_-]{0,8}[a-zA-Z0-9])?(\.[a-zA-Z0-9]{1,8}){0,3}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id.example.org", "id.example.org"),
        (" ID.Example.ORG. ", "id.example.org"),
        ("https://id.example.org/", "id.example.org"),
        ("https://id.example.org:443", "id.example.org"),
        ("http://id.example.org:80/", "id.example.org"),
        ("id.example.org:443", "id.example.org"),
        ("id.example.org:08443", "id.example.org:8443"),
        ("192.0.2.1:9000", "192.0.2.1:9000"),
        ("[2001:DB8:0:0::1]:9000", "[2001:db8::1]:9000"),
        ("https://käse.example:8443/", "xn--kse-qla.example:8443"),
    ],
)
def test_what_people_write(text: str, expected: str) -> None:
    assert read_address(text) == expected
    assert read_address(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "/", "a b", "a/b", "https://", "ftp://a.example", "https://a.example/?x", "https://a.example/#x",
        "user@a.example", "a..b", ".a", "-a", "a:", "a:0", "a:99999", "a:1:2", "::1", "[::1", "[::g]", "[1.2.3.4]",
        "x" * 254, "https://[::1", "ü" * 70, "*.example.org",
    ],
)  # fmt: skip
def test_malformed_addresses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|valid|URL|netloc|IPv6|At least|octet|Permitted"):
        read_address(text)


@given(NAMES, st.none() | st.integers(1, 65535), st.sampled_from(["http", "https"]))
def test_the_spelling_is_a_fixed_point(name: str, port: int | None, scheme: str) -> None:
    text = name if port is None else f"{name}:{port}"
    spelt = canonical(text, scheme)
    assert canonical(spelt, scheme) == spelt == spelt.lower()
    assert canonical(text.upper(), scheme) == spelt
    assert split(spelt)[0] == name.lower()


@given(st.text(max_size=40), st.sampled_from(["http", "https"]))
def test_any_text_is_refused_or_spelt(text: str, scheme: str) -> None:
    reads: tuple[Callable[[], str], ...] = (lambda: canonical(text, scheme), lambda: read_address(text))
    for read in reads:
        try:
            spelt = read()
        except ValueError:
            continue
        assert not set(spelt) & set(" /@#?\\\r\n\0")
        assert spelt.isascii()


@pytest.mark.parametrize(
    ("name", "local"),
    [
        ("localhost", True), ("a.localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("[::1]", True),
        ("[::ffff:7f00:1]", True), ("localhost.example.org", False), ("192.0.2.1", False), ("[2001:db8::1]", False),
        ("notlocalhost", False), ("", False),
    ],
)  # fmt: skip
def test_this_machine(name: str, local: bool) -> None:
    assert is_loopback(name) is local
