"""The check against leaked passwords, with k-anonymity: only five digits of a hash leave this process.

The list is that of Have I Been Pwned, or a private copy: any URL that responds to `/range/HHHHH` with a line
`REST-OF-THE-SHA-1:COUNT` for every leaked password whose hash has that prefix.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from ostiary.policies.errors import NotAvailable
from ostiary.web.outgoing.documents import fetch_text
from ostiary.web.outgoing.requests import OutgoingFailed

_PREFIX: Final = 5  # hexadecimal digits
_LINE: Final = re.compile(r"([0-9A-F]{35}):([0-9]{1,12})")
_MAX_LENGTH: Final = 1_048_576  # bytes; an answer has about 40 thousand


class LeakedPasswords:
    """The list at a URL such as "https://api.pwnedpasswords.com"."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    async def count(self, password: str) -> int:
        """Return how often a password was leaked. Raises NotAvailable if the list is not available."""
        digest = hashlib.sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest().upper()
        prefix, rest = digest[:_PREFIX], digest[_PREFIX:]
        try:
            # The padding hides the length of the response from observers, because it would reveal the prefix.
            text = await fetch_text(
                f"{self._url}/range/{prefix}", headers={"Add-Padding": "true"}, accept="text/plain", limit=_MAX_LENGTH
            )
        except OutgoingFailed as error:
            raise NotAvailable(f"the list of leaked passwords does not answer: {error}") from None
        lines = (_LINE.fullmatch(line.strip().upper()) for line in text.splitlines())
        found = {line[1]: line[2] for line in lines if line is not None}
        if text.strip() and not found:
            raise NotAvailable("the list of leaked passwords has an answer of another form")
        return int(found.get(rest, 0))
