"""The devices of users, and verification attempts."""

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
    """A device of a user. Times are in microseconds UTC. `own` are the additional columns of its kind."""

    device_class: str
    model: str  # authentik's name of the kind
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
        """The device's identifier in challenges: its primary key as text, as in authentik."""
        return str(self.pk)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A verification attempt: the response to a challenge, at `now` (microseconds UTC).

    `states` are the states of the challenges, by device class, and `demands` what is demanded of a proof beyond what
    its kind demands itself. `request` is None for a verification outside a request.
    """

    answer: Mapping[str, object]
    now: int
    states: Mapping[str, object] = field(default_factory=dict)
    request: Request | None = None
    demands: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The typed code, without spaces; "" if there is none."""
        return self.text("code").replace(" ", "")

    def state_of(self, device_class: str) -> Mapping[str, object]:
        """Return the state of a device class."""
        state = self.states.get(device_class)
        return state if isinstance(state, Mapping) else {}

    def demands_of(self, device_class: str) -> Mapping[str, object]:
        """Return what is demanded of a proof of a device class."""
        return self.demands.get(device_class, {})

    def text(self, name: str) -> str:
        """Return a text of the answer, without surrounding white space; "" if it is missing."""
        value = self.answer.get(name)
        return value.strip() if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class DeviceChallenge:
    """The challenge for a device: `public` is the JSON member `challenge`, `state` is stored until the response."""

    public: Mapping[str, object] = field(default_factory=dict)
    state: Mapping[str, object] = field(default_factory=dict)
