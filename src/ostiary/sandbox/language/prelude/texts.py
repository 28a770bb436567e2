"""Functions on texts that modules have which are not the sandbox's: html, hmac, urllib.parse, django."""

from __future__ import annotations

import binascii
import datetime  # noqa: ICN001 - as there
import hashlib
from typing import Any

from ostiary.sandbox.language.prelude.iteration import ostiary_rows
from ostiary.sandbox.language.prelude.outside import given_shift

HEX: str = "0123456789abcdefABCDEF"
SAFE: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~"


def escape(text: Any, quote: bool = True) -> str:
    """Return a text as HTML has it."""
    made = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return made.replace('"', "&quot;").replace("'", "&#x27;") if quote else made


def django_escape(text: Any) -> str:
    """Return a text as HTML has it."""
    return escape(text)


def now() -> Any:
    """Return the time, in UTC."""
    return ostiary_shifted(datetime.datetime.now(datetime.timezone.utc))  # noqa: UP017 - as there


def ostiary_now(holder: Any, *arguments: Any, **named: Any) -> Any:
    """Do what `holder.now(...)` does, at the time that a trial supposes."""
    if hasattr(holder, "ostiary_own") and holder.ostiary_own:
        return holder.now()
    return ostiary_shifted(holder.now(*arguments, **named))


def ostiary_time(holder: Any) -> Any:
    """Do what `holder.time()` does: the seconds of the clock are those that a trial supposes."""
    made = holder.time()
    return made + given_shift.total_seconds() if isinstance(made, float) and given_shift is not None else made


def ostiary_today(holder: Any) -> Any:
    """Do what `holder.today()` does, on the day that a trial supposes."""
    try:
        made = holder.today()
    except AttributeError:  # of datetime
        made = holder.now()
    return ostiary_shifted(made)


def ostiary_shifted(moment: Any) -> Any:
    """Return a moment, or a day, as a trial supposes it; anything else as it is."""
    if given_shift is None or not hasattr(moment, "year"):
        return moment
    return moment + given_shift if hasattr(moment, "hour") else (datetime.datetime.now() + given_shift).date()  # noqa: DTZ005 - local, as today is


def quote(text: Any, safe: str = "/") -> str:
    """Return a text as addresses have it, with %XX."""
    octets = text if isinstance(text, bytes) else str(text).encode()
    return "".join([chr(one) if chr(one) in SAFE + safe else "%" + ("%02X" % one) for one in octets])  # noqa: UP031 - as there


def quote_plus(text: Any, safe: str = "") -> str:
    """Return a text as forms have it, with a plus for a blank."""
    return quote(text, safe + " ").replace(" ", "+")


def unquote(text: str) -> str:
    """Return the text of what `quote` made."""
    octets = b""
    parts = text.split("%")
    octets += parts[0].encode()
    for part in parts[1:]:
        digits = part[:2]
        if len(digits) == 2 and all([one in HEX for one in digits]):  # noqa: C419, PLR2004 - a list is what it is there
            octets += binascii.unhexlify(digits) + part[2:].encode()
        else:
            octets += b"%" + part.encode()
    return octets.decode("utf-8", "replace")


def unquote_plus(text: str) -> str:
    """Return the text of what `quote_plus` made."""
    return unquote(text.replace("+", " "))


def urlencode(query: Any, doseq: bool = False) -> str:
    """Return pairs as the query of an address."""
    pairs = list(query.items()) if isinstance(query, dict) else list(query)
    made: list[str] = []
    for name, value in pairs:
        several = list(ostiary_rows(value)) if doseq and isinstance(value, (list, tuple)) else [value]
        made += [quote_plus(name) + "=" + quote_plus(one) for one in several]
    return "&".join(made)


class ostiary_hmac:  # noqa: N801 - a function in the eyes of a program
    """A keyed hash."""

    def __init__(self, key: bytes, message: bytes, digest: Any) -> None:
        self.ostiary_make = (lambda data: hashlib.new(digest, data)) if isinstance(digest, str) else digest
        block = self.ostiary_make(b"").block_size
        if len(key) > block:
            key = self.ostiary_make(key).digest()
        self.ostiary_key = key.ljust(block, b"\x00")
        self.ostiary_message = message

    def ostiary_pad(self, number: int) -> bytes:
        """Return the key, each octet joined with a number."""
        return binascii.unhexlify("".join(["%02x" % (one ^ number) for one in self.ostiary_key]))

    def update(self, message: bytes) -> None:
        """Hash more."""
        self.ostiary_message = self.ostiary_message + message

    def digest(self) -> bytes:
        """Return the octets."""
        inner = self.ostiary_make(self.ostiary_pad(54) + self.ostiary_message).digest()
        return bytes(self.ostiary_make(self.ostiary_pad(92) + inner).digest())

    def hexdigest(self) -> str:
        """Return them as hexadecimal digits."""
        return self.digest().hex()


def hmac_new(key: bytes, msg: bytes = b"", digestmod: Any = "") -> ostiary_hmac:
    """Return a keyed hash. Raises TypeError without a digest."""
    if not digestmod:
        raise TypeError("Missing required argument 'digestmod'.")
    return ostiary_hmac(key, msg, digestmod)


def hmac_digest(key: bytes, msg: bytes, digest: Any) -> bytes:
    """Return the octets of a keyed hash."""
    return ostiary_hmac(key, msg, digest).digest()


def compare_digest(one: Any, other: Any) -> bool:
    """Tell whether two digests are equal."""
    return bool(one == other)
