"""Places and networks of addresses, from files in MaxMind's format (GeoLite2 City and ASN, or of the same form).

The operator provides the files. Without one, no location is known. A replaced file is opened again.
"""

from __future__ import annotations

import ipaddress
import logging
import math
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ostiary.record import dataclass

if TYPE_CHECKING:
    from maxminddb import Reader

_LOGGER: Final = logging.getLogger("ostiary.policies")
_EVERY: Final = 60.0  # seconds between two looks at a file
_EARTH: Final = 6371.0  # kilometres, the mean radius


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """The location of an address. Continent and country are codes ("EU", "DE"), coordinates are in degrees."""

    continent: str = ""
    country: str = ""
    city: str = ""
    latitude: float | None = None
    longitude: float | None = None

    def data(self) -> dict[str, object]:
        """Return `context["geoip"]` of expressions."""
        return {
            "continent": self.continent,
            "country": self.country,
            "lat": self.latitude,
            "long": self.longitude,
            "city": self.city,
        }

    def kilometres(self, other: Location) -> float | None:
        """Return the distance on the surface of the Earth; None if a place has no coordinates."""
        if None in {self.latitude, self.longitude, other.latitude, other.longitude}:
            return None
        first, second = math.radians(self.latitude or 0.0), math.radians(other.latitude or 0.0)
        across = math.radians((other.longitude or 0.0) - (self.longitude or 0.0))
        half = math.sin((second - first) / 2) ** 2 + math.cos(first) * math.cos(second) * math.sin(across / 2) ** 2
        return 2 * _EARTH * math.asin(min(1.0, math.sqrt(half)))


@dataclass(frozen=True, slots=True, kw_only=True)
class AutonomousSystem:
    """The autonomous system of an address. `network` is its prefix ("192.0.2.0/24")."""

    number: int
    name: str = ""
    network: str = ""

    def data(self) -> dict[str, object]:
        """Return `context["asn"]` of expressions."""
        return {"asn": self.number, "as_org": self.name, "network": self.network}


class _File:
    """One file, opened at first use, and again after a change."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._reader: Reader | None = None
        self._close: Callable[[], object] = lambda: None  # the file that is open; also called when this one is dropped
        self._looked: float | None = None
        self._state: tuple[int, int] | None = None  # time of change and inode of the file that is open

    def find(self, address: str) -> tuple[Mapping[str, Any], str] | None:
        """Return the record of an address and its network."""
        reader = self._open()
        if reader is None:
            return None
        try:
            record, bits = reader.get_with_prefix_len(address)
        except (ValueError, TypeError):  # not an address, or a file that has other ones only
            return None
        except Exception as error:  # noqa: BLE001 - whatever a file that is being overwritten holds
            self._broken(error)
            return None
        return (record, f"{address}/{bits}") if isinstance(record, Mapping) else None

    def _open(self) -> Reader | None:
        if self._path is None:
            return None
        now = time.monotonic()
        if self._looked is None or now - self._looked >= _EVERY:
            self._looked = now
            self._look(self._path)
        return self._reader

    def _look(self, path: Path) -> None:
        try:
            found = path.stat()
        except OSError:
            self._forget()
            self._state = None
            return
        state = (found.st_mtime_ns, found.st_ino)
        if state == self._state:
            return
        import maxminddb  # noqa: PLC0415 - loaded where there is a file

        self._forget()
        self._state = state
        try:
            # Read in place: a City file has 60 MB, and a mapped one that is overwritten would end this process.
            reader = self._reader = maxminddb.open_database(path, maxminddb.MODE_FILE)
            self._close = weakref.finalize(self, reader.close)
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            self._broken(error)

    def _forget(self) -> None:
        self._close()
        self._reader = None

    def _broken(self, error: Exception) -> None:
        self._forget()
        _LOGGER.error("%s cannot be read: %s: %s; nothing is known of it", self._path, type(error).__name__, error)


class GeoData:
    """The two files: places (City) and networks (ASN)."""

    def __init__(self, city: Path | None, asn: Path | None) -> None:
        self._city = _File(city)
        self._asn = _File(asn)

    def place(self, address: str | None) -> Location | None:
        """Return the location of an address; None if unknown."""
        found = None if address is None else self._city.find(address)
        if found is None:
            return None
        record, location = found[0], found[0].get("location", {})
        return Location(
            continent=str(record.get("continent", {}).get("code", "")),
            country=str(record.get("country", {}).get("iso_code", "")),
            city=str(record.get("city", {}).get("names", {}).get("en", "")),
            latitude=location.get("latitude"),
            longitude=location.get("longitude"),
        )

    def system(self, address: str | None) -> AutonomousSystem | None:
        """Return the autonomous system of an address; None if unknown."""
        found = None if address is None else self._asn.find(address)
        if found is None or not isinstance(found[0].get("autonomous_system_number"), int):
            return None
        record, network = found
        return AutonomousSystem(
            number=record["autonomous_system_number"],
            name=str(record.get("autonomous_system_organization", "")),
            network=str(ipaddress.ip_network(network, strict=False)),
        )

    def facts(self, address: str | None) -> dict[str, object]:
        """Return the known ones of `geoip` and `asn`, for the context of expressions."""
        place, system = self.place(address), self.system(address)
        found: dict[str, object] = {}
        if place is not None:
            found["geoip"] = place.data()
        if system is not None:
            found["asn"] = system.data()
        return found
