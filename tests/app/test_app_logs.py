"""Log lines: one line each, JSON or readable, with the request's id, never with a secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.app import logs
from ostiary.seal import Secret


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before[0], before[1]


@pytest.fixture
def lines(restored: None) -> io.StringIO:
    stream = io.StringIO()
    logs.configure("info", stream=stream, terminal=False)
    return stream


def test_json_lines_carry_time_level_event_and_extra(lines: io.StringIO) -> None:
    logging.getLogger("ostiary.test").warning("%d things", 3, extra={"thing": {"a": 1}})
    line = json.loads(lines.getvalue())
    assert line["level"] == "warning"
    assert line["logger"] == "ostiary.test"
    assert line["event"] == "3 things"
    assert line["thing"] == {"a": 1}
    assert line["time"].endswith("Z")


def test_the_request_id_stands_on_every_line_of_a_request(lines: io.StringIO) -> None:
    token = logs.REQUEST_ID.set("r" * 32)
    try:
        logging.getLogger("ostiary.test").info("in a request")
    finally:
        logs.REQUEST_ID.reset(token)
    logging.getLogger("ostiary.test").info("outside")
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert first["request_id"] == "r" * 32
    assert "request_id" not in second


def test_secrets_become_stars_wherever_they_stand(lines: io.StringIO) -> None:
    log = logging.getLogger("ostiary.test")
    log.info("given %s", Secret("hush-1"))
    log.info("x", extra={"thing": Secret("hush-2"), "client_secret": "hush-3", "deep": {"password": ["hush-4"]}})
    log.info("somebody wrote password=hush-5 and 'token': 'hush-6' and Authorization: Bearer hush-7")
    try:
        raise ValueError("api_key=hush-8")
    except ValueError:
        log.exception("failed")
    assert "hush" not in lines.getvalue()
    assert "********" in lines.getvalue()


@pytest.mark.parametrize(
    "sentence",
    [
        "a new object needs this secret: set it, or leave the field out",
        "this token: a text was expected",
        "OSTIARY_SECRET_KEY: expected at least 32 characters",
        "the password: it is not there.",
    ],
)
def test_words_of_sentences_are_no_secrets(lines: io.StringIO, sentence: str) -> None:
    log = logging.getLogger("ostiary.test")
    log.info(sentence)
    log.info("not done: %s", sentence)
    log.info("%d%% done, the password: everything goes on for %s; %s", 3, "ada", sentence)
    events = [json.loads(line)["event"] for line in lines.getvalue().splitlines()]
    assert events == [
        sentence,
        f"not done: {sentence}",
        f"3% done, the password: everything goes on for ada; {sentence}",
    ]


@pytest.mark.parametrize("secret", ["everything", "expected-1", "Bearer expected", "'set'", "aX9"])
def test_the_format_saves_no_value_that_was_put_into_it(lines: io.StringIO, secret: str) -> None:
    log = logging.getLogger("ostiary.test")
    log.info("the password: everything; token: %s", secret)
    log.info("token=%5s and %s", secret, f"password: {secret}")
    log.info(f"put together token: {secret}")  # noqa: G004 - as other libraries do
    for line in lines.getvalue().splitlines():
        assert secret not in json.loads(line)["event"].replace("the password: everything", "")


@given(st.text(max_size=30), st.lists(st.text(max_size=20), max_size=3))
def test_spans_of_the_format_hold_nothing_else(literal: str, values: list[str]) -> None:
    form = literal.replace("%", "%%") + "".join(f"; {number} %s" for number, _ in enumerate(values))
    record = logging.LogRecord("x", logging.INFO, "", 0, form, tuple(values), None)
    text = record.getMessage()
    spans = logs._literal(record, text)
    told = "".join(text[first:last] for first, last in spans)
    rest = "".join(f"; {number} " for number, _ in enumerate(values))
    assert told == (literal.replace("%", "") + rest if values else "")


def test_the_sign_in_line_stays_as_fail2ban_reads_it(lines: io.StringIO) -> None:
    logging.getLogger("ostiary.signin").warning("sign-in failed user=ada address=203.0.113.7 reason=password")
    assert json.loads(lines.getvalue())["event"] == "sign-in failed user=ada address=203.0.113.7 reason=password"


def test_one_event_is_one_line(lines: io.StringIO) -> None:
    logging.getLogger("ostiary.test").info("a\nforged line\r\n")
    assert len(lines.getvalue().splitlines()) == 1


def test_what_strangers_send_gives_no_orders_to_a_terminal(restored: None) -> None:
    stream = io.StringIO()
    logs.configure("info", stream=stream, terminal=True)
    logging.getLogger("ostiary.access").info("GET %s", "/\x1b[2J\x9b2J\x07\u2028", extra={"agent": "\x1b]0;x\n"})
    line = stream.getvalue()
    assert not set("\x1b\x9b\x07\u2028") & set(line)
    assert "/\\x1b[2J" in line
    assert len(line.splitlines()) == 1


def test_the_console_form_is_readable(restored: None) -> None:
    stream = io.StringIO()
    logs.configure("info", stream=stream, terminal=True)
    logging.getLogger("ostiary.test").info("started", extra={"port": 9000, "password": "hush"})
    logging.getLogger("ostiary.test").debug("not shown")
    assert "info    started port=9000 password=********\n" in stream.getvalue()
    assert "not shown" not in stream.getvalue()
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("ostiary.test").exception("failed")
    assert "ValueError: why" in stream.getvalue()


def test_the_text_of_an_error_begins_no_line_on_a_terminal(restored: None) -> None:
    stream = io.StringIO()
    logs.configure("info", stream=stream, terminal=True)
    forged = "01:51:12 warning sign-in failed user=ada address=192.0.2.66 reason=password"
    try:
        raise ValueError(f"what a stranger sent\n{forged}")
    except ValueError:
        logging.getLogger("ostiary.test").exception("failed")
    assert forged in stream.getvalue()
    assert [line for line in stream.getvalue().splitlines()[1:] if not line.startswith("    ")] == []


def test_libraries_chatter_only_when_debugging(restored: None) -> None:
    logs.configure("info", stream=io.StringIO(), terminal=False)
    assert not logging.getLogger("asyncio").isEnabledFor(logging.INFO)
    logs.configure("trace", stream=io.StringIO(), terminal=False)
    assert logging.getLogger("asyncio").isEnabledFor(logging.INFO)


@given(st.text(max_size=60), st.text(alphabet="abcdefgh1234", min_size=8, max_size=20))
def test_no_text_around_it_saves_a_password(around: str, value: str) -> None:
    assert value not in logs.mask_text(f"{around} password={value}").replace(around, "")


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_anything_can_be_logged(value: object) -> None:
    json.dumps(logs.mask("value", value))


def test_warnings_and_errors_are_counted() -> None:
    before = dict(logs.LOGGED)
    logs.configure("error", stream=io.StringIO(), terminal=False)
    log = logging.getLogger("ostiary.test")
    log.warning("not shown, and not counted: nobody finds it in the log")
    log.error("one")
    log.critical("two")
    assert dict(logs.LOGGED) == {**before, "error": before["error"] + 2}
    logs.configure("info", stream=io.StringIO(), terminal=False)
    log.info("all is well")
    log.warning("three")
    assert logs.LOGGED["warning"] == before["warning"] + 1
