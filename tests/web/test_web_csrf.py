"""Form tokens, and the same-origin check."""

from __future__ import annotations

import pytest

from ostiary.web.csrf import form_token, is_form_token, same_origin
from ostiary.web.request import Request

KEY = b"k" * 32


def test_a40_a_token_is_bound_to_session_purpose_and_key() -> None:
    token = form_token(b"session", "flow a", KEY)
    assert is_form_token(token, b"session", "flow a", KEY)
    for session, purpose, key in ((b"other", "flow a", KEY), (b"session", "flow b", KEY), (b"session", "flow a", b"x")):
        assert not is_form_token(token, session, purpose, key)
    # The boundary between session and purpose is unambiguous.
    assert form_token(b"ab", "c", KEY) != form_token(b"a", "bc", KEY)
    for wrong in ("", token[:-1], token + "A", "ü", "\ud800"):
        assert not is_form_token(wrong, b"session", "flow a", KEY)


@pytest.mark.parametrize(
    ("headers", "same"),
    [
        ({}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "https://id.example.org"}, False),
        ({"origin": "https://id.example.org"}, True),
        ({"origin": "https://ID.example.org"}, True),
        ({"origin": "https://id.example.org.evil.example"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "https://id.example.org:444"}, False),
        ({"origin": "https://user@id.example.org"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://["}, False),
    ],
)
def test_a40_same_origin(headers: dict[str, str], same: bool) -> None:
    assert same_origin(Request(method="POST", headers=headers, host="id.example.org")) is same
