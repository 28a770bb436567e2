"""The settings of protocols: rates, headers, nonces."""

from __future__ import annotations

import pytest

from ostiary.settings import parse
from ostiary.settings.errors import InvalidSetting
from ostiary.settings.load import load
from ostiary.settings.model import RateSetting


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20/hour", RateSetting(20, 3_600_000_000)), ("1/s", RateSetting(1, 1_000_000)), (" 5 / m ", RateSetting(5, 60_000_000)),
        ("7/day", RateSetting(7, 86_400_000_000)),
    ],
)  # fmt: skip
def test_rates(text: str, expected: RateSetting) -> None:
    assert parse.rate(text) == expected
    assert str(expected.most) in str(expected)


@pytest.mark.parametrize("text", ["", "20", "0/hour", "-1/hour", "x/hour", "20/", "20/year", "٣/hour"])
def test_wrong_rates(text: str) -> None:
    with pytest.raises(ValueError, match="expected a rate"):
        parse.rate(text)


def test_from_the_environment() -> None:
    found = load(
        {
            "OSTIARY_MTLS__HEADER": "Client-Cert",
            "OSTIARY_DPOP__NONCE": "required",
            "AUTHENTIK_THROTTLE__PROVIDERS__OAUTH2__DEVICE": "5/minute",
        },
        default_file=None,
    )
    assert (found.mtls.header, found.dpop.nonce, found.throttle.device) == (
        "client-cert",
        "required",
        RateSetting(5, 60_000_000),
    )
    usual = load({}, default_file=None)
    assert (usual.mtls.header, usual.dpop.nonce, usual.throttle.device) == (None, "off", RateSetting(20, 3_600_000_000))


@pytest.mark.parametrize("value", ["a b", "x:", "é", "a" * 65])
def test_wrong_headers(value: str) -> None:
    with pytest.raises(InvalidSetting, match="expected the name of a header"):
        load({"OSTIARY_MTLS__HEADER": value}, default_file=None)
