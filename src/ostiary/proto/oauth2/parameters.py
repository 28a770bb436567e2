"""Request parameters as RFC 6749 3.1 and 3.2 want them: an empty one counts as omitted, none may be repeated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ostiary.proto.oauth2.errors import INVALID_REQUEST, OAuthError


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of one request."""

    values: Mapping[str, str]
    repeated: frozenset[str]

    def get(self, name: str) -> str | None:
        """Return one parameter, or None. Raises OAuthError (invalid_request) when it was sent more than once."""
        if name in self.repeated:
            raise OAuthError(INVALID_REQUEST, f"{name} is repeated")
        return self.values.get(name)

    def need(self, name: str) -> str:
        """Return one parameter. Raises OAuthError (invalid_request) when it is missing or repeated."""
        value = self.get(name)
        if value is None:
            raise OAuthError(INVALID_REQUEST, f"{name} is missing", description=f"The parameter {name} is missing.")
        return value

    def check_single(self, *, but: frozenset[str] = frozenset()) -> None:
        """Refuse repeated parameters (RFC 6749 3.1, 3.2), except those named. Raises OAuthError."""
        wrong = sorted(self.repeated - but)
        if wrong:
            raise OAuthError(INVALID_REQUEST, f"repeated: {', '.join(wrong)}")


def read_parameters(pairs: Iterable[tuple[str, str]]) -> Parameters:
    """Return the parameters of decoded pairs of a query or form."""
    values: dict[str, str] = {}
    seen: set[str] = set()
    repeated: set[str] = set()
    for name, value in pairs:
        if name in seen:
            repeated.add(name)
        seen.add(name)
        if value:
            values.setdefault(name, value)
    return Parameters(values, frozenset(repeated))
