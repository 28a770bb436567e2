"""The selection of the brand for a host name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.brands.resources import Brand

if TYPE_CHECKING:
    from ostiary.store.configuration.snapshot import Snapshot

_FALLBACK: Final = Brand(pk="00000000-0000-0000-0000-000000000000", domain="fallback")


def select(snapshot: Snapshot, host: str) -> Brand:
    """Return the brand with the longest domain that is `host` or a parent domain of it, else the default brand.

    `host` may include a port. If there is no brand, a fallback is returned, so that pages always have a title.
    """
    brands = snapshot.all(Brand)
    if len(brands) == 1 and brands[0].default:
        return brands[0]
    name = _name_of(host)
    matching = [brand for brand in brands if _matches(brand.domain.lower(), name)]
    if matching:
        return max(matching, key=lambda brand: len(brand.domain))
    return next((brand for brand in brands if brand.default), _FALLBACK)


def _name_of(host: str) -> str:
    bare = host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    return bare.lower().rstrip(".")


def _matches(domain: str, name: str) -> bool:
    return name == domain or name.endswith("." + domain)
