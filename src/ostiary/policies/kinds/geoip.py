"""The GeoIP policy: country and network of an address, and its distance from earlier sign-ins."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Final

from ostiary.policies.lookups.earlier_sign_ins import EarlierSignIns
from ostiary.policies.lookups.places import GeoData
from ostiary.policies.policy_request import PolicyRequest, PolicyResult
from ostiary.policies.resources import POLICY, Policy
from ostiary.resource import Help, Problem, Range, kind

if TYPE_CHECKING:
    from ostiary.policies.trace import How

_COUNTRY: Final = re.compile("[A-Z]{2}")
_FASTEST: Final = 1000  # kilometres an hour: an airliner
_HOUR: Final = 3_600_000_000  # microseconds
_LARGE: Final = 2**31 - 1


def _validate_countries(policy: GeoIPPolicy) -> Iterable[Problem]:
    for code in policy.countries:
        if _COUNTRY.fullmatch(code) is None:
            yield Problem("countries", f"expected a code of two capital letters, such as DE, got {code!r}")


@kind(
    "authentik_policies_geoip.geoippolicy",
    verbose_name="GeoIP Policy",
    plural="GeoIP Policies",
    component="ak-policy-geoip-form",
    routes="policies/geoip",
    families=(POLICY,),
    check=_validate_countries,
)
class GeoIPPolicy(Policy):
    """Passes in one of the countries or networks, at a possible distance from earlier sign-ins."""

    asns: Annotated[tuple[int, ...], Help("Numbers of autonomous systems.")] = ()
    countries: Annotated[tuple[str, ...], Help("Codes of countries (ISO 3166-1 alpha-2).")] = ()
    check_history_distance: bool = False
    history_max_distance_km: Annotated[int, Range(0, _LARGE)] = 100
    distance_tolerance_km: Annotated[int, Range(0, _LARGE)] = 50
    history_login_count: Annotated[int, Range(0, 100)] = 5
    check_impossible_travel: bool = False
    impossible_tolerance_km: Annotated[int, Range(0, _LARGE)] = 100

    async def evaluate(self, policy_request: PolicyRequest) -> tuple[How, PolicyResult]:
        """Look up the address. Unknown ones fail. Raises NotAvailable without the data."""
        refusals = list(self._elsewhere(policy_request))
        wanted = bool(self.asns) + bool(self.countries)
        # One of the two lists is enough, as each would be alone.
        messages = refusals if wanted and len(refusals) == wanted else []
        if self.check_history_distance or self.check_impossible_travel:
            messages += [one async for one in self._too_far(policy_request)]
        return "rules", PolicyResult(not messages, tuple(dict.fromkeys(messages)))

    def _elsewhere(self, policy_request: PolicyRequest) -> Iterator[str]:
        """Yield the messages if the address is in none of the networks, and in none of the countries."""
        places, address = policy_request.context.services[GeoData], policy_request.context.client_ip
        if self.asns:
            system = places.system(address)
            if system is None:
                yield "The network of your address is not known."
            elif system.number not in self.asns:
                yield f"This is not possible from network AS{system.number}."
        if self.countries:
            place = places.place(address)
            if place is None or not place.country:
                yield "The country of your address is not known."
            elif place.country not in self.countries:
                yield f"This is not possible from this country: {place.country}"

    async def _too_far(self, policy_request: PolicyRequest) -> AsyncIterator[str]:
        """Yield the messages if earlier sign-ins were too far away. Unknown locations are ignored."""
        context = policy_request.context
        places = context.services[GeoData]
        here = places.place(context.client_ip)
        if policy_request.subject is None or here is None:
            return
        earlier = await context.services[EarlierSignIns].last(policy_request.subject.user.pk, self.history_login_count)
        for moment, address in earlier:
            there = places.place(address)
            distance = None if there is None else here.kilometres(there)
            if distance is None:
                continue
            if self.check_history_distance and distance >= self.history_max_distance_km + self.distance_tolerance_km:
                yield "You are farther from an earlier sign-in than is allowed."
            reach = _FASTEST * max((context.now - moment) // _HOUR, 1) + self.impossible_tolerance_km
            if self.check_impossible_travel and distance >= reach:
                yield "Nobody can travel here that fast from an earlier sign-in."
