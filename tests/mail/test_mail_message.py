"""Messages: addresses that cannot smuggle anything in, and the form on the wire."""

from __future__ import annotations

import dataclasses
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.mail.errors import BadAddress
from ostiary.mail.message import Message, MessageLink, compose, html_text, mail_address, plain_text, sender_parts

NOW = 1_760_000_000_000_000
MESSAGE = Message(
    recipient="ada@house.example",
    subject="Choose a new password",
    paragraphs=("Somebody asked for a new password for your account.", "Ignore this message if it was not you."),
    link=MessageLink("Choose a new password", "https://id.house.example/if/flow/recovery/?flow_token=abc&x=1"),
    footnote="The link works once, for 30 minutes.",
    brand="The House",
    valid_until=NOW,
)


def on_the_wire(message: Message, sender: str = "House <door@house.example>") -> EmailMessage:
    composed = compose(message, sender=sender, number="n1", created=NOW)
    parsed: Any = message_from_bytes(composed.as_bytes(), policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def test_a_message_has_both_forms_and_the_headers_of_a_machine() -> None:
    found = on_the_wire(MESSAGE)
    assert found["From"] == "House <door@house.example>"
    assert found["To"] == "ada@house.example"
    assert found["Subject"] == "Choose a new password"
    assert found["Message-ID"] == "<n1@house.example>"
    assert found["Auto-Submitted"] == "auto-generated"
    assert found["Date"] == "Thu, 09 Oct 2025 08:53:20 +0000"
    plain, rich = found.get_body(("plain",)), found.get_body(("html",))
    assert plain is not None
    assert rich is not None
    assert "\nhttps://id.house.example/if/flow/recovery/?flow_token=abc&x=1\n" in plain.get_content().replace(
        "\r\n", "\n"
    )
    assert 'href="https://id.house.example/if/flow/recovery/?flow_token=abc&amp;x=1"' in rich.get_content()


def test_a_link_is_never_wrapped() -> None:
    url = "https://id.house.example/" + "a/" * 200
    assert f"\n{url}\n" in plain_text(dataclasses.replace(MESSAGE, link=MessageLink("Open", url)))


def test_what_people_are_called_is_text_and_no_markup() -> None:
    page = html_text(dataclasses.replace(MESSAGE, paragraphs=("Hello <b>Ada</b>",), brand='<script src="x">'))
    assert "Hello &lt;b&gt;Ada&lt;/b&gt;" in page
    assert "<script" not in page


def test_a_page_fetches_nothing_from_anywhere() -> None:
    page = html_text(dataclasses.replace(MESSAGE, link=None))
    assert "http" not in page
    assert "url(" not in page


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "@house.example",
        "ada@",
        "ada@@house.example",
        "ada@house.example, eve@elsewhere.example",
        "ada@house.example\nBcc: eve@elsewhere.example",
        "Ada <ada@house.example>",
        '"a b"@house.example',
        "ada@.house.example",
        "ada@house..example",
        "ada\x00@house.example",
        f"{'a' * 65}@house.example",
        f"ada@{'a' * 250}.example",
    ],
)
def test_a78_what_is_no_single_address_is_refused(address: str) -> None:
    with pytest.raises(BadAddress, match="expected an e-mail address"):
        mail_address(address)


@pytest.mark.parametrize("address", ["ada@house.example", "a.b+c@x.example", "o'neil@x.example", "ada@localhost"])
def test_addresses_that_people_have_are_taken(address: str) -> None:
    assert mail_address(f" {address} ") == address


@given(st.text(max_size=40), st.text(max_size=40))
def test_a78_no_text_adds_a_header_or_a_recipient(local: str, domain: str) -> None:
    try:
        address = mail_address(f"{local}@{domain}")
    except BadAddress:
        return
    found = on_the_wire(dataclasses.replace(MESSAGE, recipient=address, subject=f"{local}\r\nBcc: eve@x.example"))
    assert [one.addr_spec for one in found["To"].addresses] == [address]
    assert found["Bcc"] is None


@pytest.mark.parametrize("text", ["House", "House <>", "a@b.example, c@d.example", "x\r\ny <a@b.example>"])
def test_a_sender_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadAddress):
        sender_parts(text)


def test_a_sender_without_a_name_has_the_brands() -> None:
    assert on_the_wire(MESSAGE, sender="door@house.example")["From"] == "The House <door@house.example>"
