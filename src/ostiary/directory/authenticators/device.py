"""The device of a user, and the attempt of a verification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.store.database import Value
    from ostiary.web.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One authenticator. Times are microseconds UTC; `own` are the columns that only its kind has."""

    device_class: str
    model: str  # as authentik calls it
    pk: int
    uuid: str
    user: int
    name: str
    confirmed: bool
    locked_until: int
    created: int
    last_updated: int
    last_used: int | None
    own: Mapping[str, Value] = field(repr=False, default_factory=dict)

    @property
    def uid(self) -> str:
        """The identifier in challenges: the number as text, as in authentik."""
        return str(self.pk)


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt of a verification: the answer to a challenge, at `now` (microseconds UTC).

    `states` is what each kind of authenticator (by device class) left when it made its challenge. `request` is None for
    programs that verify without one.
    """

    answer: Mapping[str, object]
    now: int
    states: Mapping[str, object] = field(default_factory=dict)
    request: Request | None = None

    @property
    def code(self) -> str:
        """The code that was typed, without spaces; "" when there is none."""
        return self.text("code").replace(" ", "")

    def state_of(self, device_class: str) -> Mapping[str, object]:
        """Return the state of that device class."""
        state = self.states.get(device_class)
        return state if isinstance(state, Mapping) else {}

    def text(self, name: str) -> str:
        """Return a text of the answer, without white space around it; "" when there is none."""
        value = self.answer.get(name)
        return value.strip() if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class DeviceChallenge:
    """The challenge for a device: `public` is in the JSON (member `challenge`), `state` is stored until the answer."""

    public: Mapping[str, object] = field(default_factory=dict)
    state: Mapping[str, object] = field(default_factory=dict)
