from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.proto import totp

KEY = b"12345678901234567890"  # RFC 4226, appendix D, and RFC 6238, appendix B
SECOND = 1_000_000

HOTP = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]
TOTP = [
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
]


@pytest.mark.parametrize(("counter", "code"), list(enumerate(HOTP)))
def test_hotp_vectors(counter: int, code: str) -> None:
    assert totp.hotp(KEY, counter, 6) == code


@pytest.mark.parametrize(("seconds", "code"), TOTP)
def test_totp_vectors(seconds: int, code: str) -> None:
    assert totp.match(KEY, code, now=seconds * SECOND, digits=8, tolerance=0) == seconds // 30


def test_tolerance_is_counted_in_steps_around_drift() -> None:
    now = 1_700_000_000 * SECOND
    middle = totp.counter_at(now)
    for offset in range(-4, 5):
        code = totp.hotp(KEY, middle + offset, 6)
        assert (totp.match(KEY, code, now=now) == middle + offset) is (abs(offset) <= 1)
        assert (totp.match(KEY, code, now=now, drift=3) == middle + offset) is (2 <= offset <= 4)


def test_step_and_t0() -> None:
    assert totp.counter_at(125 * SECOND, step=60, t0=5) == 2
    code = totp.hotp(KEY, 2, 6)
    assert totp.match(KEY, code, now=125 * SECOND, step=60, t0=5, tolerance=0) == 2


def test_spaces_are_forgiven() -> None:
    assert totp.match(KEY, " 755 224 ", now=0) == 0


@pytest.mark.parametrize("code", ["", "75522", "7552244", "75522a", "٧٥٥٢٢٤", "755224\0", "+55224", "7552-4"])
def test_what_is_no_code_is_wrong(code: str) -> None:
    assert totp.match(KEY, code, now=0) is None


@given(st.text(max_size=40), st.integers(min_value=0, max_value=2**60), st.sampled_from([6, 8]))
def test_any_text_is_answered(code: str, now: int, digits: int) -> None:
    found = totp.match(KEY, code, now=now, digits=digits)
    assert found is None or totp.hotp(KEY, found, digits) == code.strip().replace(" ", "")


def test_config_url() -> None:
    parts = urlsplit(totp.config_url(KEY, account="jo@example.org", issuer="Home & Lab", digits=8, step=60))
    assert (parts.scheme, parts.netloc, parts.path) == ("otpauth", "totp", "/Home%20%26%20Lab:jo@example.org")
    assert parse_qs(parts.query) == {
        "secret": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"],
        "algorithm": ["SHA1"],
        "digits": ["8"],
        "period": ["60"],
        "issuer": ["Home & Lab"],
    }
    assert "+" not in parts.query
    assert totp.config_url(KEY, account="a", issuer="").startswith("otpauth://totp/a?secret=")
