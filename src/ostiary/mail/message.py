"""A message: what it says, and its form on the wire (RFC 5322), as plain text and as HTML."""

from __future__ import annotations

import functools
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.mail.errors import BadAddress
from ostiary.record import dataclass

if TYPE_CHECKING:
    from email.headerregistry import Address
    from email.message import EmailMessage

    from jinja2 import Template

ADDRESS_LIMIT: Final = 254  # characters (RFC 5321 4.5.3.1.3, without the angle brackets)
_LOCAL_LIMIT: Final = 64  # octets (RFC 5321 4.5.3.1.1)
_WIDTH: Final = 72  # columns of the plain text
_TEMPLATES: Final = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class MessageLink:
    """The button of a message. `url` is absolute."""

    label: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message to one recipient, in words of one language, translated already.

    A paragraph may have several lines. `footnote` stands below in small print. `valid_until` (microseconds UTC) ends
    the attempts to send it: a message whose link has expired only confuses.
    """

    recipient: str
    subject: str
    paragraphs: tuple[str, ...]
    valid_until: int
    link: MessageLink | None = None
    footnote: str = ""
    brand: str = "Ostiary"
    language: str = "en"


def mail_address(text: str) -> str:
    """Return an e-mail address without white space around it. Raises BadAddress.

    It is `local@domain` (RFC 5321 4.1.2): no display name, no list, no control characters, no quoted local part.
    """
    from email.headerregistry import Address  # noqa: PLC0415 - the parsers of messages, which a start does not need

    address = text.strip()
    try:
        parsed = Address(addr_spec=address)
    except Exception:  # noqa: BLE001 - the parser of the standard library raises several kinds for broken input
        raise BadAddress(_EXPECTED) from None
    # guard: A78 an address cannot add a recipient or a header
    if not _is_plain(address, parsed):
        raise BadAddress(_EXPECTED)
    return address


_EXPECTED: Final = "expected an e-mail address, such as ada@house.example"


def _is_plain(address: str, parsed: Address) -> bool:
    local, _, domain = address.rpartition("@")
    return (
        bool(local)
        and bool(domain)
        and len(address) <= ADDRESS_LIMIT
        and len(local.encode("utf-8", "surrogatepass")) <= _LOCAL_LIMIT
        and address.isprintable()
        and not set(address) & set(' "(),:;<>[]\\')
        and "@" not in local
        and not domain.startswith((".", "-"))
        and not domain.endswith((".", "-"))
        and ".." not in domain
        and (parsed.username, parsed.domain) == (local, domain)
    )


def sender_parts(text: str) -> tuple[str, str]:
    """Return the display name and the address of a sender, `Name <address>` or the address alone. Raises BadAddress."""
    from email.utils import parseaddr  # noqa: PLC0415 - as above

    name, address = parseaddr(text)
    if not text.isprintable():
        raise BadAddress(_EXPECTED)
    return name, mail_address(address)


def compose(message: Message, *, sender: str, number: str, created: int) -> EmailMessage:
    """Return the message in its form on the wire. Raises BadAddress.

    `number` makes the Message-ID, the same at each attempt, so that a message that was sent twice is recognised.
    `created` is in microseconds UTC.
    """
    from email.headerregistry import Address  # noqa: PLC0415 - as above
    from email.message import EmailMessage  # noqa: PLC0415 - as above
    from email.policy import SMTP  # noqa: PLC0415 - as above
    from email.utils import format_datetime  # noqa: PLC0415 - as above

    name, address = sender_parts(sender)
    local, _, domain = address.rpartition("@")
    composed = EmailMessage(policy=SMTP)
    composed["From"] = Address(name or message.brand, local, domain)
    composed["To"] = mail_address(message.recipient)
    composed["Subject"] = _one_line(message.subject)
    composed["Date"] = format_datetime(datetime.fromtimestamp(created // 1_000_000, UTC))
    composed["Message-ID"] = f"<{number}@{domain}>"
    composed["Auto-Submitted"] = "auto-generated"  # RFC 3834: holiday replies do not answer it
    composed["Content-Language"] = message.language
    composed.set_content(plain_text(message), cte="quoted-printable")
    composed.add_alternative(html_text(message), subtype="html", cte="quoted-printable")
    return composed


def plain_text(message: Message) -> str:
    """Return the text for readers without HTML. A link stands on a line of its own, and is never wrapped."""
    parts = ["\n".join(textwrap.fill(line, _WIDTH) for line in one.splitlines()) for one in message.paragraphs]
    if message.link is not None:
        parts.append(f"{message.link.label}:\n{message.link.url}")
    if message.footnote:
        parts.append(textwrap.fill(message.footnote, _WIDTH))
    parts.append(f"-- \n{message.brand}")
    return "\n\n".join(parts) + "\n"


def html_text(message: Message) -> str:
    """Return the text as an HTML page without scripts, pictures or anything else from elsewhere."""
    return _template().render(message=message)


def _one_line(text: str) -> str:
    return " ".join(text.split())


@functools.lru_cache(maxsize=1)
def _template() -> Template:
    import jinja2  # noqa: PLC0415 - 60 ms that only a message needs

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    return environment.get_template("mail/message.html")
