"""The mails of expressions: messages for the outbox, one per address."""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from ostiary.mail.errors import BadAddress
from ostiary.mail.message import Message, MessageLink
from ostiary.mail.wording import EMAIL_CODE, EVENT_NOTIFICATION, link_words
from ostiary.sandbox.evaluation.object_fields import ObjectReference

if TYPE_CHECKING:
    from ostiary.mail.outbox import Outbox
    from ostiary.sandbox.evaluation.expression_context import Expression, ExpressionContext
    from ostiary.store.database import Statement

MAX_RECIPIENTS: Final = 20
"""The maximum number of recipients of one run."""

_MAX_LENGTH: Final = 65_536  # characters of a body
_MAX_SUBJECT: Final = 250  # characters
_TRIED: Final = 86_400_000_000  # microseconds in which the mail server may take the message
_BREAK: Final = re.compile(r"<br\s*/?>", re.IGNORECASE)
_BLOCK: Final = re.compile(r"</(?:p|div|li|tr|h[1-6]|ul|ol|table)\s*>", re.IGNORECASE)
_MARKUP: Final = re.compile(r"</?[a-zA-Z!][^<>]*>")
_HEAD: Final = re.compile(r"<(style|script|title)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_WEB: Final = re.compile(r"https?://[^\s<>]+")
log: Final = logging.getLogger("ostiary.expressions")


def outbox_statements(
    mails: Iterable[Mapping[str, object]],
    expression: Expression,
    expression_context: ExpressionContext,
    outbox: Outbox | None,
) -> Iterator[Statement]:
    """Yield the statements that put the mails of one run into the outbox. Invalid addresses are left out."""
    left = MAX_RECIPIENTS
    for mail in mails:
        for address in _addresses(mail):
            # guard: A78 an expression writes to a few addresses, whatever the program says
            if outbox is None or left <= 0:
                log.warning("%s: no mail is sent to this address: too many, or there is no outbox", expression.name)
                return
            left -= 1
            try:
                yield from outbox.post(_message(mail, address, expression_context), now=expression_context.now)
            except BadAddress as error:
                log.warning("%s: no mail is sent: %s", expression.name, error)


def _addresses(mail: Mapping[str, object]) -> Iterator[str]:
    """Yield the addresses. Each gets a separate message, so that nobody sees the other addresses."""
    found: dict[str, None] = {}
    for name in ("to", "cc", "bcc"):
        given = mail.get(name)
        found |= dict.fromkeys(str(one) for one in given) if isinstance(given, list) else {}
    yield from found


def _message(mail: Mapping[str, object], address: str, expression_context: ExpressionContext) -> Message:
    context = mail.get("context")
    values = context if isinstance(context, Mapping) else {}
    template, brand = mail.get("template"), str(expression_context.brand.get("branding_title") or "Ostiary")
    subject = str(mail.get("subject", ""))[:_MAX_SUBJECT]
    link, footnote = None, ""
    if template is None:
        paragraphs = paragraphs_of(str(mail.get("body") or ""))
    elif template in {EVENT_NOTIFICATION, EMAIL_CODE}:
        paragraphs = tuple(_told(values, subject))
    else:
        name_set = link_words(str(template))
        names = {"account": _account(values.get("user"), address), "brand": brand}
        paragraphs, footnote = (name_set.text.format(**names),), name_set.footnote
        subject = subject or name_set.subject.format(**names)
        link = _link(values.get("url"), name_set.label.format(**names))
    return Message(
        recipient=address,
        subject=subject or brand,
        paragraphs=paragraphs,
        link=link,
        footnote=footnote,
        valid_until=expression_context.now + _TRIED,
        brand=brand,
    )


def paragraphs_of(body: str) -> tuple[str, ...]:
    """Return the paragraphs of a text, or of HTML without its markup."""
    text = body[:_MAX_LENGTH].replace("\r\n", "\n")
    if _MARKUP.search(text):
        text = _BLOCK.sub("\n\n", _BREAK.sub("\n", _HEAD.sub("", text)))
        text = html.unescape(_MARKUP.sub("", text))
    blocks = (re.sub(r"[^\S\n]+", " ", block).strip() for block in re.split(r"\n\s*\n", text))
    return tuple(block for block in blocks if block)


def _told(values: Mapping[str, object], subject: str) -> Iterator[str]:
    """Yield the paragraphs of a notification, or of a code."""
    title = _words(values.get("title"))
    if title and title != subject:
        yield title
    yield from paragraphs_of(_words(values.get("body")))
    if token := _words(values.get("token")):
        yield f"Your code: {token}"
    facts = values.get("key_value")
    if isinstance(facts, Mapping) and facts:
        yield "\n".join(f"{name}: {_words(value)}" for name, value in facts.items())
    if (url := _words(values.get("url"))) and _WEB.fullmatch(url):
        yield url


def _link(url: object, label: str) -> MessageLink | None:
    # guard: A78 a message leads to addresses of the web only
    return MessageLink(label, url) if isinstance(url, str) and _WEB.fullmatch(url) else None


def _account(user: object, address: str) -> str:
    if isinstance(user, ObjectReference):
        return user.name
    return _words(user.get("username")) if isinstance(user, Mapping) else _words(user) or address


def _words(value: object) -> str:
    if isinstance(value, ObjectReference):
        return value.name
    return "" if value is None else str(value)
