"""How old certificates are and when they end, for the page of metrics."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal

from ostiary.keys.errors import UnreadableKey
from ostiary.keys.resources import CertificateKeyPair
from ostiary.record import dataclass
from ostiary.resource.bounded_cache import BoundedCache
from ostiary.room import Measure
from ostiary.store.configuration.plane import ConfigPlane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ostiary.room import Samples, ServiceRegistry

_READ: Final = 256  # certificates whose times are remembered


@dataclass(frozen=True, slots=True)
class _Validity:
    """From when until when a certificate is valid, in seconds since 1970 UTC."""

    begin: float
    end: float


class _Validities:
    """The validity of every certificate; each is read once."""

    def __init__(self, plane: ConfigPlane) -> None:
        self._plane = plane
        self._read: BoundedCache[str, _Validity] = BoundedCache(_READ)

    async def read(self, which: Literal["begin", "end"]) -> Samples:
        """Return one end of each certificate's validity, by the name of its pair."""
        found: dict[tuple[str, ...], float] = {}
        for pair in self._plane.snapshot.all(CertificateKeyPair):
            validity = self._read.get(pair.certificate_data)
            if validity is None:
                try:
                    validity = await asyncio.to_thread(_validity, pair.certificate_data)
                except UnreadableKey:
                    continue  # a test or an old version stored it; nothing can be said of it
                self._read.keep(pair.certificate_data, validity)
            found[pair.name,] = getattr(validity, which)
        return found


def _validity(pem: str) -> _Validity:
    from ostiary.keys.x509 import read_certificate  # noqa: PLC0415 - the library is loaded with the first scrape

    certificate = read_certificate(pem)
    return _Validity(certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp())


def validity_measures(services: ServiceRegistry) -> Sequence[Measure]:
    """Return both ends of the validity of each certificate; its key is as old as it is."""
    validities = _Validities(services[ConfigPlane])
    return (
        Measure(
            name="ostiary_certificate_begin_timestamp_seconds",
            summary="When the validity of a certificate began: the age of its key.",
            labels=("name",),
            read=lambda: validities.read("begin"),
        ),
        Measure(
            name="ostiary_certificate_end_timestamp_seconds",
            summary="When the validity of a certificate ends.",
            labels=("name",),
            read=lambda: validities.read("end"),
        ),
    )
