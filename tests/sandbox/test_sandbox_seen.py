"""What expressions see of a request, and what they leave in the log."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from ostiary.sandbox.evaluation.effects import effect_statements, write_log
from ostiary.sandbox.evaluation.http import http_values
from ostiary.sandbox.evaluation.object_fields import ObjectReference
from ostiary.sandbox.evaluation.result import Effects, LogLine, WantedEvent
from ostiary.web.request import Request

BRAND = {"domain": "id.example.org", "attributes": {"colour": "red"}}


def test_a81_neither_our_cookies_nor_credentials_are_seen() -> None:
    cookies = "authentik_session=s3cret; ostiary_typed=s3cret; theme=dark; __Host-authentik_session=s3cret"
    headers = {"cookie": cookies, "authorization": "Bearer s3cret", "dpop": "s3cret", "user-agent": "Browser/1"}
    seen = http_values(Request(headers=headers, path="/if/flow/x/", query="next=/a&next=/b&x=1"), BRAND)
    assert "s3cret" not in str(seen)
    assert seen["cookies"] == {"theme": "dark"}
    assert seen["headers"] == {"user-agent": "Browser/1"}


def test_the_rest_of_a_request_is_as_djangos() -> None:
    request = Request(
        method="POST", path="/if/flow/x/", prefix="/auth", query="next=/a&next=/b&x=1", client="192.0.2.7",
        scheme="https", host="id.example.org", headers={"user-agent": "Browser/1", "x-thing": "1"},
    )  # fmt: skip
    seen: dict[str, Any] = http_values(request, BRAND)
    assert (seen["method"], seen["path"], seen["scheme"]) == ("POST", "/auth/if/flow/x/", "https")
    assert seen["query"] == {"next": ["/a", "/b"], "x": ["1"]}
    assert (seen["meta"]["REMOTE_ADDR"], seen["meta"]["HTTP_X_THING"]) == ("192.0.2.7", "1")
    assert (seen["brand"], seen["base"]) == (BRAND, "https://id.example.org")
    assert http_values(Request(query="%FF=1"), BRAND)["query"] == {}


@pytest.mark.parametrize(
    ("text", "written"),
    [("one\ntwo", "one\\ntwo"), ("\x1b[31mred", "\\x1b[31mred"), ("Grüße", "Grüße"), ("x" * 5000, "x" * 1000)],
)
def test_a81_a_line_of_the_log_is_one_line(caplog: Any, text: str, written: str) -> None:
    with caplog.at_level(logging.INFO, logger="ostiary.expressions"):
        write_log(Effects(log=(LogLine("info", text),)), "policy x")
    assert caplog.messages == [f"policy x: {written}"]


def test_levels_and_values_of_the_log_are_kept(caplog: Any) -> None:
    with caplog.at_level(logging.DEBUG, logger="ostiary.expressions"):
        write_log(Effects(log=(LogLine("warning", "odd", {"user": "ada"}), LogLine("strange", "x"))), "policy x")
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("WARNING", "policy x: odd user=ada"),
        ("INFO", "policy x: x"),
    ]


def test_events_of_an_expression_are_named_custom_and_name_objects() -> None:
    group = ObjectReference("group", "g1", "staff")
    wanted = (WantedEvent("garden_gate", {"by": group, "all": [{"one": group}]}), WantedEvent("login", {}))
    first, second = effect_statements(Effects(events=wanted), user={"pk": 7, "username": "ada"}, client_ip=None, now=1)
    assert "custom_garden_gate" in first.parameters
    assert "login" in second.parameters
    assert any('"name":"staff"' in str(one).replace(" ", "") for one in first.parameters)
