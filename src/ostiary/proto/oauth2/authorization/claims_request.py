"""The parameter `claims`: individually requested claims (OpenID Connect Core 5.5)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final, Literal, cast

from ostiary.proto.oauth2.errors import INVALID_REQUEST, OAuthError
from ostiary.proto.oauth2.parameters import is_storable
from ostiary.record import dataclass

ClaimsTarget = Literal["userinfo", "id_token"]
CLAIMS_TARGETS: Final[tuple[ClaimsTarget, ...]] = ("userinfo", "id_token")

_MAX_LENGTH: Final = 4096  # characters of the parameter
_MAX_ITEMS: Final = 64  # claims of one member, and values of one claim
_Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class RequestedClaim:
    """A requested claim. `values` are the accepted ones by preference; empty: any value (5.5.1)."""

    name: str
    essential: bool = False
    values: tuple[_Scalar, ...] = ()

    def accepts(self, value: object) -> bool:
        """Return whether the client accepts a value. As in JSON, true is not 1."""
        if not self.values:
            return True
        return any(type(one) is type(value) and one == value for one in self.values)


@dataclass(frozen=True, slots=True)
class ClaimsRequest:
    """The requested claims of userinfo and of the ID token."""

    userinfo: tuple[RequestedClaim, ...] = ()
    id_token: tuple[RequestedClaim, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.userinfo or self.id_token)

    def names(self, target: ClaimsTarget) -> frozenset[str]:
        """Return the names of the claims requested from one target."""
        return frozenset(item.name for item in self._items(target))

    def find(self, target: ClaimsTarget, name: str) -> RequestedClaim | None:
        """Return the request of one claim, or None."""
        return next((item for item in self._items(target) if item.name == name), None)

    def body(self) -> dict[str, object]:
        """Return JSON data for storage."""
        return {
            target: [[item.name, item.essential, list(item.values)] for item in self._items(target)]
            for target in CLAIMS_TARGETS
        }

    def _items(self, target: ClaimsTarget) -> tuple[RequestedClaim, ...]:
        return self.userinfo if target == "userinfo" else self.id_token


NO_CLAIMS: Final = ClaimsRequest()


def load_claims(body: Mapping[str, object] | None) -> ClaimsRequest:
    """Return the request of a stored `ClaimsRequest.body`; None is an empty request."""
    if body is None:
        return NO_CLAIMS
    stored = cast("Mapping[str, list[tuple[str, bool, list[_Scalar]]]]", body)
    members = (
        [RequestedClaim(name, essential, tuple(values)) for name, essential, values in stored[p]]
        for p in CLAIMS_TARGETS
    )
    return ClaimsRequest(*(tuple(items) for items in members))


def parse_claims(text: str | None) -> ClaimsRequest:
    """Parse the parameter's JSON. Raises OAuthError (invalid_request).

    Unknown members are ignored (5.5): other top-level members, claims with a language tag, and members
    of a claim's object beside essential, value and values.
    """
    if text is None:
        return NO_CLAIMS
    if len(text) > _MAX_LENGTH:
        raise _malformed("too long")
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise _malformed("not JSON") from error
    if not isinstance(document, dict):
        raise _malformed("not an object")
    return ClaimsRequest(*(_member(document.get(target), target) for target in CLAIMS_TARGETS))


def _member(items: object, target: str) -> tuple[RequestedClaim, ...]:
    if items is None:
        return ()
    if not isinstance(items, dict) or len(items) > _MAX_ITEMS:
        raise _malformed(f"{target} is not an object of at most {_MAX_ITEMS} members")
    return tuple(_claim(name, options) for name, options in items.items())


def _claim(name: str, options: object) -> RequestedClaim:
    if not is_storable(name):
        raise _malformed("a name that cannot be stored")
    if options is None:
        return RequestedClaim(name)
    if not isinstance(options, dict):
        raise _malformed(f"{name} is neither null nor an object")
    essential = options.get("essential", False)
    if not isinstance(essential, bool):
        raise _malformed(f"essential of {name} is not a boolean")
    values = options.get("values", [])
    if not isinstance(values, list) or len(values) > _MAX_ITEMS:
        raise _malformed(f"values of {name} is not an array of at most {_MAX_ITEMS} items")
    if "value" in options:
        values = [options["value"], *values]
    return RequestedClaim(name, essential, tuple(_scalars(name, values)))


def _scalars(name: str, values: Iterable[object]) -> Iterable[_Scalar]:
    for value in values:
        if not isinstance(value, _Scalar):
            raise _malformed(f"a value of {name} is not a text, number or boolean")
        if isinstance(value, str) and not is_storable(value):
            raise _malformed(f"a value of {name} cannot be stored")
        yield value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        message = "a member stands twice"
        raise ValueError(message)
    return document


def _refuse(text: str) -> object:
    message = f"not JSON: {text}"
    raise ValueError(message)


def _malformed(reason: str) -> OAuthError:
    return OAuthError(INVALID_REQUEST, f"claims: {reason}", description="The parameter claims is malformed.")
