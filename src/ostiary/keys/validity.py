"""The validity of certificates as metrics: their age, and when they expire."""

from __future__ import annotations

import asyncio
from functools import partial
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

_CACHED: Final = 256  # certificates


@dataclass(frozen=True, slots=True)
class _Validity:
    """The validity period of a certificate, in seconds since 1970 UTC."""

    begin: float
    end: float


class _Validities:
    """The validity periods of all certificates. Each certificate is parsed once and cached."""

    def __init__(self, plane: ConfigPlane) -> None:
        self._plane = plane
        self._cache: BoundedCache[str, _Validity] = BoundedCache(_CACHED)

    async def read(self, bound: Literal["begin", "end"]) -> Samples:
        """Return one bound of each certificate's validity period, by the name of its pair."""
        samples: dict[tuple[str, ...], float] = {}
        for pair in self._plane.snapshot.all(CertificateKeyPair):
            validity = self._cache.get(pair.certificate_data)
            if validity is None:
                try:
                    validity = await asyncio.to_thread(_validity, pair.certificate_data)
                except UnreadableKey:
                    continue  # stored unvalidated by a test or an old version
                self._cache.keep(pair.certificate_data, validity)
            samples[pair.name,] = getattr(validity, bound)
        return samples


def _validity(pem: str) -> _Validity:
    from ostiary.keys.x509 import read_certificate  # noqa: PLC0415 - X.509 is loaded on the first scrape

    certificate = read_certificate(pem)
    return _Validity(certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp())


def validity_measures(services: ServiceRegistry) -> Sequence[Measure]:
    """Return the metrics of both bounds. A pair's key is as old as its certificate."""
    validities = _Validities(services[ConfigPlane])
    return (
        Measure(
            name="ostiary_certificate_begin_timestamp_seconds",
            summary="Start of a certificate's validity: the age of its key.",
            labels=("name",),
            read=partial(validities.read, "begin"),
        ),
        Measure(
            name="ostiary_certificate_end_timestamp_seconds",
            summary="Expiry of a certificate.",
            labels=("name",),
            read=partial(validities.read, "end"),
        ),
    )
