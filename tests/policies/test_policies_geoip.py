"""Places and networks of addresses: the files, the GeoIP policy, and what expressions see of them."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet
from test_policies_kinds import NOW, REGISTRY, decided, made, subject

from ostiary.policies.context import PolicyContext
from ostiary.policies.decide import Decision, decide_policies
from ostiary.policies.kinds.expression import ExpressionPolicy
from ostiary.policies.kinds.geoip import GeoIPPolicy
from ostiary.policies.lookups import places as module
from ostiary.policies.lookups.earlier_sign_ins import EarlierSignIns
from ostiary.policies.lookups.places import GeoData, Location
from ostiary.policies.services import PolicyServices
from ostiary.resource import InvalidResource
from ostiary.sandbox.evaluation.evaluator import Evaluator
from ostiary.sandbox.evaluation.functions import Functions
from ostiary.sandbox.evaluation.runner import Runner
from ostiary.sandbox.workers import Workers
from ostiary.store.configuration.snapshot import Snapshot
from ostiary.store.database import Database, Statement
from ostiary.store.workspace.commit import write_all

if TYPE_CHECKING:
    from ostiary.directory.authenticators.devices import Devices
    from ostiary.directory.rows.found import Finder
    from ostiary.directory.users import Users

HOUR = 3_600_000_000
BERLIN, HAMBURG, SYDNEY, NOWHERE = "192.0.2.10", "192.0.2.130", "198.51.100.1", "203.0.113.1"
CITIES: Mapping[str, Mapping[str, Any]] = {
    "192.0.2.0/25": {
        "continent": {"code": "EU"},
        "country": {"iso_code": "DE"},
        "city": {"names": {"en": "Berlin"}},
        "location": {"latitude": 52.52, "longitude": 13.405},
    },
    "192.0.2.128/25": {"country": {"iso_code": "DE"}, "location": {"latitude": 53.55, "longitude": 9.993}},
    "198.51.100.0/24": {"country": {"iso_code": "AU"}, "location": {"latitude": -33.87, "longitude": 151.21}},
    "2001:db8::/32": {"country": {"iso_code": "FR"}},
}
SYSTEMS: Mapping[str, Mapping[str, Any]] = {
    "192.0.2.0/24": {"autonomous_system_number": 64496, "autonomous_system_organization": "Example Net"}
}


def write(path: Path, kind: str, networks: Mapping[str, Mapping[str, Any]]) -> Path:
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type=kind)
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), dict(record))
    writer.to_db_file(str(path))
    return path


@pytest.fixture
def files(tmp_path: Path) -> GeoData:
    return GeoData(
        write(tmp_path / "city.mmdb", "GeoLite2-City", CITIES), write(tmp_path / "asn.mmdb", "GeoLite2-ASN", SYSTEMS)
    )


class TestFiles:
    def test_what_is_known_of_an_address(self, files: GeoData) -> None:
        berlin = files.place(BERLIN)
        assert berlin == Location(continent="EU", country="DE", city="Berlin", latitude=52.52, longitude=13.405)
        assert files.facts(BERLIN) == {
            "geoip": {"continent": "EU", "country": "DE", "lat": 52.52, "long": 13.405, "city": "Berlin"},
            "asn": {"asn": 64496, "as_org": "Example Net", "network": "192.0.2.0/24"},
        }
        france = files.place("2001:db8::7")
        assert france is not None
        assert (france.country, france.latitude) == ("FR", None)

    def test_of_the_others_nothing_is_known(self, files: GeoData) -> None:
        for address in (NOWHERE, "not an address", "", "127.0.0.1", "fe80::1%eth0", None):
            assert files.facts(address) == {}, address

    def test_without_files_nothing_is_known(self, tmp_path: Path) -> None:
        for path in (None, tmp_path / "missing.mmdb"):
            assert GeoData(path, path).facts(BERLIN) == {}

    def test_a_distance_is_that_on_the_surface(self, files: GeoData) -> None:
        berlin, hamburg, sydney = (files.place(one) for one in (BERLIN, HAMBURG, SYDNEY))
        assert berlin is not None
        assert hamburg is not None
        assert sydney is not None
        assert berlin.kilometres(hamburg) == pytest.approx(255, abs=3)
        assert berlin.kilometres(sydney) == pytest.approx(16_090, rel=0.01)
        assert berlin.kilometres(berlin) == 0
        assert berlin.kilometres(Location(country="FR")) is None

    def test_a_new_file_is_used_and_a_broken_one_is_not(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(module, "_EVERY", 0.0)
        path = write(tmp_path / "city.mmdb", "GeoLite2-City", {"192.0.2.0/24": {"country": {"iso_code": "DE"}}})
        places = GeoData(path, None)

        def country() -> str | None:
            found = places.place(BERLIN)
            return None if found is None else found.country

        assert country() == "DE"
        other = write(tmp_path / "new.mmdb", "GeoLite2-City", {"192.0.2.0/24": {"country": {"iso_code": "DK"}}})
        other.replace(path)
        assert country() == "DK"
        whole = path.read_bytes()
        path.write_bytes(b"half of a file")
        assert country() is None
        assert "cannot be read" in caplog.text
        path.write_bytes(whole)
        assert country() == "DK"
        path.unlink()
        assert country() is None

    def test_a_file_that_is_being_overwritten_ends_nothing(self, tmp_path: Path) -> None:
        path = write(tmp_path / "city.mmdb", "GeoLite2-City", CITIES)
        places = GeoData(path, None)
        assert places.place(BERLIN) is not None
        os.truncate(path, 10)
        for address in (BERLIN, SYDNEY, "203.0.113.77", "2001:db8::9"):
            assert places.place(address) is None


@pytest.fixture
async def evaluator() -> AsyncIterator[Evaluator]:
    functions = Functions(cast("Users", None), cast("Devices", None), cast("Finder", None))
    made = Evaluator(lambda: Runner(Workers(), functions))
    yield made
    await made.close()


@pytest.mark.parametrize("in_flow", [True, False])
@pytest.mark.parametrize(
    "condition",
    [
        'request.context["geoip"]["country"] == "DE" and context["asn"]["as_org"] == "Example Net"',
        'request.context.get("geoip", {}).get("city") == "Berlin"',
        '"geoip" in request.context and "asn" in context',
        'sorted(key for key in request.context if key in ("asn", "geoip")) == ["asn", "geoip"]',
    ],
)
async def test_expressions_see_where_the_address_is(
    files: GeoData, evaluator: Evaluator, condition: str, in_flow: bool
) -> None:
    policy = ExpressionPolicy(
        pk=str(uuid.uuid4()), name="where", expression=f"if not user:\n    pass\nreturn {condition}"
    )
    services = PolicyServices({GeoData: files, Evaluator: evaluator}.__getitem__)
    for address, passing in ((BERLIN, True), (NOWHERE, False)):
        context = PolicyContext(
            now=NOW,
            client_ip=address,
            services=services,
            in_flow=in_flow,
            facts={"flow_plan": {"context": {}}} if in_flow else {"oauth_scopes": ["openid"]},
        )
        snapshot = Snapshot.of(REGISTRY, [policy])
        found = await decide_policies(
            [str(policy.pk)], subject=subject(), snapshot=snapshot, context=context, target_pk="x"
        )
        assert found.passing is passing, found.trace.steps
        assert not found.changes


async def test_an_address_is_looked_up_only_for_an_expression_that_may_read_it(
    files: GeoData, evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []

    def facts(_self: GeoData, address: str | None) -> dict[str, object]:
        asked.append(address)
        return {}

    monkeypatch.setattr(GeoData, "facts", facts)
    services = PolicyServices({GeoData: files, Evaluator: evaluator}.__getitem__)
    for source in ('return user.username[:1] == "r"', 'return request.context["oauth_scopes"][:1] == ["openid"]'):
        policy = ExpressionPolicy(pk=str(uuid.uuid4()), name=source, expression=source)
        context = PolicyContext(now=NOW, client_ip=BERLIN, services=services, facts={"oauth_scopes": ["openid"]})
        snapshot = Snapshot.of(REGISTRY, [policy])
        found = await decide_policies(
            [str(policy.pk)], subject=subject(), snapshot=snapshot, context=context, target_pk="x"
        )
        assert (found.passing, found.trace.steps[0].how) == (True, "executed")
    assert asked == []


class Earlier:
    """The sign-ins of an earlier time, from these addresses."""

    def __init__(self, *addresses: str, ago: int) -> None:
        self._addresses, self._ago = addresses, ago

    async def last(self, user: int, number: int) -> list[tuple[int, str]]:
        assert user == 7
        return [(NOW - self._ago, one) for one in self._addresses[:number]]


async def ask(files: GeoData, address: str | None, earlier: Earlier | None = None, **values: object) -> Decision:
    services: dict[type, object] = {GeoData: files, EarlierSignIns: earlier or Earlier(ago=HOUR)}
    return await decided(
        made(GeoIPPolicy, **values), who=subject(), services=PolicyServices(services.__getitem__), address=address
    )


class TestPolicy:
    @pytest.mark.parametrize(
        ("values", "passing"),
        [
            ({"countries": ["DE"]}, {BERLIN, HAMBURG}),
            ({"countries": ["DE", "AU"]}, {BERLIN, HAMBURG, SYDNEY}),
            ({"asns": [64496]}, {BERLIN, HAMBURG}),
            ({"asns": [64497]}, set()),
            ({"asns": [64497], "countries": ["AU"]}, {SYDNEY}),  # one of the two is enough
            ({}, {BERLIN, HAMBURG, SYDNEY, NOWHERE}),
        ],
    )
    async def test_countries_and_networks(self, files: GeoData, values: dict[str, Any], passing: set[str]) -> None:
        for address in (BERLIN, HAMBURG, SYDNEY, NOWHERE):
            assert (await ask(files, address, **values)).passing is (address in passing), address

    async def test_the_messages_say_what_is_not_allowed(self, files: GeoData) -> None:
        found = await ask(files, SYDNEY, countries=["DE"])
        assert found.messages == ("This is not possible from this country: AU",)
        found = await ask(files, NOWHERE, asns=[1])
        assert found.messages == ("The network of your address is not known.",)

    @pytest.mark.parametrize(
        ("earlier", "address", "passing"),
        [
            (HAMBURG, BERLIN, False),  # 255 km, and 150 are allowed
            (BERLIN, BERLIN, True),
            (SYDNEY, BERLIN, False),
            (NOWHERE, BERLIN, True),
            (HAMBURG, NOWHERE, True),
        ],
    )
    async def test_distance(self, files: GeoData, earlier: str, address: str, passing: bool) -> None:
        found = await ask(files, address, Earlier(earlier, ago=100 * HOUR), check_history_distance=True)
        assert found.passing is passing

    async def test_the_tolerance_and_the_number_of_sign_ins_count(self, files: GeoData) -> None:
        earlier = Earlier(BERLIN, HAMBURG, ago=HOUR)
        near: dict[str, Any] = {"check_history_distance": True}
        assert not (await ask(files, BERLIN, earlier, **near)).passing
        assert (await ask(files, BERLIN, earlier, **near, history_login_count=1)).passing
        assert (await ask(files, BERLIN, earlier, **near, distance_tolerance_km=200)).passing

    @pytest.mark.parametrize(("ago", "passing"), [(0, False), (10 * HOUR, False), (16 * HOUR, True)])
    async def test_impossible_travel(self, files: GeoData, ago: int, passing: bool) -> None:
        found = await ask(files, BERLIN, Earlier(SYDNEY, ago=ago), check_impossible_travel=True)
        assert found.passing is passing
        if not passing:
            assert found.messages == ("Nobody can travel here that fast from an earlier sign-in.",)

    async def test_without_a_look_up_the_failure_result_counts(self) -> None:
        found = await decided(made(GeoIPPolicy, countries=["DE"]), who=subject())
        assert [step.how for step in found.trace.steps] == ["failed"]

    def test_a_country_is_a_code(self) -> None:
        with pytest.raises(InvalidResource, match="two capital letters"):
            made(GeoIPPolicy, countries=["Germany"])


async def test_earlier_sign_ins_are_those_of_the_audit_log(database: Database) -> None:
    def event(user: int, created: int, action: str, address: str | None) -> Statement:
        return Statement(
            "INSERT INTO event (pk, created, expires, action, app, who, user_pk, username, context, client_ip, brand)"
            " VALUES (?, ?, ?, ?, '', '{}', ?, '', '{}', ?, '{}')",
            (str(uuid.uuid4()), created, created, action, user, address),
        )

    await write_all(
        database,
        [
            event(7, 1, "login", "a"),
            event(7, 3, "login", "c"),
            event(7, 2, "login", "b"),
            event(7, 4, "login_failed", "d"),
            event(8, 5, "login", "e"),
            event(7, 6, "login", None),
        ],
    )
    assert await EarlierSignIns(database).last(7, 2) == [(3, "c"), (2, "b")]
