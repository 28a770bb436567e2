"""The type of every secret inside the program. It cannot be printed or logged by accident."""

from __future__ import annotations

import hmac
from typing import Final, NoReturn, Self, final

STARS: Final = "********"


@final
class Secret:
    """A text that must not be printed, logged, pickled or compared in variable time.

    Only `reveal()` returns the text; search for it to see every place that reads a secret.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the plain text."""
        return self._text

    def matches(self, candidate: str) -> bool:
        """Compare with a candidate in constant time."""
        # guard: A21 secrets are compared in constant time
        return hmac.compare_digest(
            self._text.encode("utf-8", "surrogatepass"), candidate.encode("utf-8", "surrogatepass")
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other._text)

    def __hash__(self) -> int:
        return hash(("ostiary.secret", self._text))

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return f"Secret({STARS})"

    def __str__(self) -> str:
        return STARS

    def __format__(self, spec: str) -> str:
        return format(STARS, spec)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        message = "a secret is never pickled"
        raise TypeError(message)
