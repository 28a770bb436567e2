"""The parameter `claims`: single claims asked for by name (OpenID Connect Core 5.5)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final, Literal, cast

from ostiary.proto.oauth2.errors import INVALID_REQUEST, OAuthError
from ostiary.proto.oauth2.parameters import is_storable
from ostiary.record import dataclass

Place = Literal["userinfo", "id_token"]
PLACES: Final[tuple[Place, ...]] = ("userinfo", "id_token")

_LONGEST: Final = 4096  # characters of the parameter
_MOST: Final = 64  # claims in one place, and values of one claim
_Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class RequestedClaim:
    """One claim. `values` are those the client accepts, in its order of preference; empty: any (5.5.1)."""

    name: str
    essential: bool = False
    values: tuple[_Scalar, ...] = ()

    def accepts(self, value: object) -> bool:
        """Tell whether a value is one the client asked for. JSON keeps true and 1 apart, and so does this."""
        if not self.values:
            return True
        return any(type(one) is type(value) and one == value for one in self.values)


@dataclass(frozen=True, slots=True)
class ClaimsRequest:
    """What was asked for, by the place where it shall appear."""

    userinfo: tuple[RequestedClaim, ...] = ()
    id_token: tuple[RequestedClaim, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.userinfo or self.id_token)

    def names(self, place: Place) -> frozenset[str]:
        """Return the names asked for in one place."""
        return frozenset(item.name for item in self._items(place))

    def find(self, place: Place, name: str) -> RequestedClaim | None:
        """Return one request."""
        return next((item for item in self._items(place) if item.name == name), None)

    def body(self) -> dict[str, object]:
        """Return plain JSON for storage."""
        return {
            place: [[item.name, item.essential, list(item.values)] for item in self._items(place)] for place in PLACES
        }

    def _items(self, place: Place) -> tuple[RequestedClaim, ...]:
        return self.userinfo if place == "userinfo" else self.id_token


NOTHING: Final = ClaimsRequest()


def load_claims(body: Mapping[str, object] | None) -> ClaimsRequest:
    """Return what `ClaimsRequest.body` stored; None is an empty request."""
    if body is None:
        return NOTHING
    stored = cast("Mapping[str, list[tuple[str, bool, list[_Scalar]]]]", body)
    places = ([RequestedClaim(name, essential, tuple(values)) for name, essential, values in stored[p]] for p in PLACES)
    return ClaimsRequest(*(tuple(items) for items in places))


def parse_claims(text: str | None) -> ClaimsRequest:
    """Return the request of the parameter's JSON. Raises OAuthError (invalid_request).

    Members that are not understood are ignored (5.5): other top-level members, claims with a language tag, and members
    of a claim's object beside essential, value and values.
    """
    if text is None:
        return NOTHING
    if len(text) > _LONGEST:
        raise _malformed("too long")
    try:
        document = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise _malformed("not JSON") from error
    if not isinstance(document, dict):
        raise _malformed("not an object")
    return ClaimsRequest(*(_place(document.get(place), place) for place in PLACES))


def _place(items: object, place: str) -> tuple[RequestedClaim, ...]:
    if items is None:
        return ()
    if not isinstance(items, dict) or len(items) > _MOST:
        raise _malformed(f"{place} is not an object of at most {_MOST} members")
    return tuple(_claim(name, wanted) for name, wanted in items.items())


def _claim(name: str, wanted: object) -> RequestedClaim:
    if not is_storable(name):
        raise _malformed("a name that cannot be stored")
    if wanted is None:
        return RequestedClaim(name)
    if not isinstance(wanted, dict):
        raise _malformed(f"{name} is neither null nor an object")
    essential = wanted.get("essential", False)
    if not isinstance(essential, bool):
        raise _malformed(f"essential of {name} is not a boolean")
    values = wanted.get("values", [])
    if not isinstance(values, list) or len(values) > _MOST:
        raise _malformed(f"values of {name} is not an array of at most {_MOST} items")
    if "value" in wanted:
        values = [wanted["value"], *values]
    return RequestedClaim(name, essential, tuple(_scalars(name, values)))


def _scalars(name: str, values: Iterable[object]) -> Iterable[_Scalar]:
    for value in values:
        if not isinstance(value, _Scalar):
            raise _malformed(f"a value of {name} is not a text, number or boolean")
        if isinstance(value, str) and not is_storable(value):
            raise _malformed(f"a value of {name} cannot be stored")
        yield value


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        message = "a member stands twice"
        raise ValueError(message)
    return made


def _refuse(text: str) -> object:
    message = f"not JSON: {text}"
    raise ValueError(message)


def _malformed(reason: str) -> OAuthError:
    return OAuthError(INVALID_REQUEST, f"claims: {reason}", description="The parameter claims is malformed.")
