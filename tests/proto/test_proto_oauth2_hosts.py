"""Patterns of addresses: what was meant as the host is matched by the host (A01, A03, A04)."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.proto.oauth2.authorization.redirect import is_allowed
from ostiary.providers.oauth2.provider.fields import RedirectURI

# The shapes in which people write them, with an address that each is there for.
USED = [
    (r"https://.*\.good\.example/cb", "https://a.good.example/cb"),
    (r"https://.*\.good\.example/cb", "https://a.b.good.example/cb"),
    (r"^https://.*\.good\.example/.*$", "https://a.good.example/x/y?z=1"),
    (r"https://(.*\.)?good\.example(/.*)?", "https://good.example"),
    (r"https://(.*\.)?good\.example(/.*)?", "https://a.good.example/x"),
    (r"https://[^/]+\.good\.example/cb", "https://a.good.example/cb"),
    (r"^http://grafana\..*\.lan/login/generic_oauth$", "http://grafana.a.b.lan/login/generic_oauth"),
    (r"https://.*\.preview\..*\.example\.com/.*", "https://x.preview.y.example.com/z"),
    ("https://vpn.example.org/.*", "https://vpn.example.org/peers?x"),
    ("https://file.example.org/callback", "https://file.example.org/callback"),
    (r"^https://coder[.]example[.]org/.*callback.*$", "https://coder.example.org/api/callback?x=1"),
    ("http://localhost:.*", "http://localhost:8000/oauth/callback"),
    ("http://localhost:.*/callback", "http://localhost:8000/callback"),
    ("http://localhost:.*/callback", "http://localhost:8000/deep/callback"),
    ("http://localhost:[0-9]+(/.*)?", "http://localhost:53682/"),
    (r"http://127\.0\.0\.1:[0-9]+/callback", "http://127.0.0.1:1/callback"),
    (r"http://\[::1\]:\d+/cb", "http://[::1]:8000/cb"),
    ("http://localhost.*", "http://localhost/cb"),
    ("https://10.206.0.2:8006.*", "https://10.206.0.2:8006/api2"),
    ("https://proxmox.*", "https://proxmox.lan:8006/"),
    (r"https://app\.good\.example.*", "https://app.good.example/cb?x"),
    (r"https://app\.good\.example/?.*", "https://app.good.example"),
    ("https://vmui.dev.home/*", "https://vmui.dev.home/"),
    (r"https?://app\.good\.example(:\d+)?/cb", "http://app.good.example:8080/cb"),
    ("https://(a|b)\\.example/cb|https://c\\.example/cb", "https://c.example/cb"),
    (r"https://.*[/?]cb", "https://a.example/cb"),
    (r".*\.good\.example/cb", "https://a.good.example/cb"),
    (r"com\.example\.app:/.*", "com.example.app:/oauth2redirect"),
    ("app\\.immich:///oauth-callback.*", "app.immich:///oauth-callback"),
    (r"(?i)HTTPS://.*\.GOOD\.example/cb", "https://a.good.example/cb"),
    (".*", "https://anything.example/at/all"),
    ("https://.*", "https://anything.example/at/all"),
]


@pytest.mark.parametrize(("pattern", "url"), USED)
def test_patterns_that_people_use(pattern: str, url: str) -> None:
    assert is_allowed(url, [RedirectURI("regex", pattern)])


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        (r"https://.*\.good\.example/cb", "https://evil.example/.good.example/cb"),
        (r"https://.*\.good\.example/cb", "https://evil.example?.good.example/cb"),
        (r"https://.*\.good\.example/cb", "https://evil.example:1/.good.example/cb"),
        (r"https://.*\.good\.example/cb", "https://[::1]/.good.example/cb"),
        (r"https://(.*\.)?good\.example(/.*)?", "https://evil.example/.good.example/x"),
        (r"https://.*good\.example(:\d+)?/.*", "https://evil.example/good.example/"),
        (r"https://.+\.good\.example", "https://evil.example/.good.example"),
        (r"https://[^.]+\.good\.example/cb", "https://evil/x.good.example/cb"),
        (r"https://\S*\.good\.example/cb", "https://evil.example/.good.example/cb"),
        (r"https://[\w./-]+\.good\.example/cb", "https://evil.example/.good.example/cb"),
        (r"https://\W*\w*\W*\w*\W*good\.example/cb", "https://evil.example/good.example/cb"),
        (r"https://app.good.example/cb", "https://app/good.example/cb"),
        (r".*\.good\.example/cb", "https://evil.example/.good.example/cb"),
        (r".*\.good\.example/cb", "evil:/.good.example/cb"),
        (r".*\.good\.example/cb", "evil://a.good.example/cb"),
        (r"https://.*\.preview\..*\.example\.com/.*", "https://a.preview.evil.example/.example.com/"),
    ],
)
def test_a04_a_wildcard_does_not_reach_across_the_host(pattern: str, url: str) -> None:
    assert not is_allowed(url, [RedirectURI("regex", pattern)])


@pytest.mark.parametrize("url", ["https:a.good.example/cb", "https:///a.good.example/cb", "https:/a.good.example/cb"])
def test_a03_an_address_of_the_web_has_a_host(url: str) -> None:
    for pattern in ("https:.*", ".*", r"https:/*.*\.good\.example/cb"):
        assert not is_allowed(url, [RedirectURI("regex", pattern)])


WILD = st.sampled_from(
    [".*", ".+", "[^.]*", r"\S+", r"[^/]*", "(?:.|x)*", "(.*)", r"[\w/.?-]*", "(?:.*a|b)*", r"\W*\w*"]
)
TEXTS = st.text(alphabet="ab./?:-", max_size=12)


@given(WILD, WILD, TEXTS, TEXTS)
def test_a01_no_pattern_with_a_host_sends_to_another(before: str, after: str, host: str, rest: str) -> None:
    """Whatever stands before the name of the host, and in the path: the address has that host."""
    url = f"https://{host}evil.example/{rest}.good.example/cb{rest}"
    entry = RedirectURI("regex", rf"https://{before}\.good\.example/cb{after}")
    if is_allowed(url, [entry]):
        assert (urlsplit(url).hostname or "").endswith(".good.example")
    good = f"https://a.good.example/cb{rest}"
    if is_allowed(good, [RedirectURI("regex", rf"https://a\.good\.example/cb{after}")]):
        assert is_allowed(good, [RedirectURI("regex", rf"https://.*\.good\.example/cb{after}")])
