"""Which Host headers are answered: those configured, and those of brands; any, while there are neither."""

from __future__ import annotations

from collections.abc import Sequence

from ostiary.brands.resources import Brand
from ostiary.store.plane import ConfigPlane
from ostiary.store.snapshot import Snapshot

LOCAL = ("localhost", "127.0.0.1", "[::1]")
"""Always answered: the probes and the operator on the machine itself."""

_SHIPPED = "authentik-default"  # the domain of the brand every installation has; it is no host name


def allowed_hosts(plane: ConfigPlane, configured: tuple[str, ...]) -> frozenset[str]:
    """Return the names answered, lower case; a name with a leading dot stands for all names below it. Empty: any."""
    snapshot = plane.snapshot
    return snapshot.memo(("app.hosts", configured), lambda: _names(snapshot, configured))


def _names(snapshot: Snapshot, configured: Sequence[str]) -> frozenset[str]:
    brands = {brand.domain.lower() for brand in snapshot.all(Brand) if brand.domain != _SHIPPED}
    named = {name.lower() for name in configured} | brands | {f".{domain}" for domain in brands}
    return frozenset({*named, *LOCAL}) if named else frozenset()
