"""Request parameters (RFC 6749 3.1, 3.2): an empty one counts as omitted, and none may be repeated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from ostiary.proto.oauth2.errors import INVALID_REQUEST, OAuthError
from ostiary.record import dataclass


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of one request."""

    values: Mapping[str, str]
    repeated: frozenset[str]
    every: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # all values of the repeated ones

    def get(self, name: str) -> str | None:
        """Return one parameter, or None. Raises OAuthError (invalid_request) when it is repeated."""
        if name in self.repeated:
            raise OAuthError(INVALID_REQUEST, f"{name} is repeated")
        return self.values.get(name)

    def need(self, name: str) -> str:
        """Return one parameter. Raises OAuthError (invalid_request) when it is missing or repeated."""
        value = self.get(name)
        if value is None:
            raise OAuthError(INVALID_REQUEST, f"{name} is missing", description=f"The parameter {name} is missing.")
        return value

    def all(self, name: str) -> tuple[str, ...]:
        """Return the distinct values of a parameter that may be repeated, such as resource (RFC 8707 2)."""
        single = self.values.get(name)
        return tuple(dict.fromkeys(self.every.get(name, () if single is None else (single,))))

    def require_single(self, *, but: frozenset[str] = frozenset()) -> None:
        """Require that no parameter is repeated (RFC 6749 3.1, 3.2), except those in `but`. Raises OAuthError."""
        wrong = sorted(self.repeated - but)
        if wrong:
            raise OAuthError(INVALID_REQUEST, f"repeated: {', '.join(wrong)}")


def read_parameters(pairs: Iterable[tuple[str, str]]) -> Parameters:
    """Return the parameters of decoded pairs of a query or form."""
    values: dict[str, str] = {}
    names: set[str] = set()
    repeated: set[str] = set()
    every: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        if name in names:
            # guard: A07 repeated parameters of an authorization request are refused
            repeated.add(name)
        names.add(name)
        if value:
            values.setdefault(name, value)
            every[name] = (*every.get(name, ()), value)
    return Parameters(values, frozenset(repeated), {name: every[name] for name in repeated if name in every})


def is_storable(text: str) -> bool:
    """Return whether a text from JSON can be stored: databases refuse NUL and lone surrogates."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
