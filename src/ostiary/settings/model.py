"""The finished settings: frozen values that the application hands to the rooms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from ostiary.record import dataclass
from ostiary.seal import Secret

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener binds: a host name or address, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many within a window of microseconds."""

    most: int
    window: int

    def __str__(self) -> str:
        units = {1: "second", 60: "minute", 3600: "hour", 86400: "day"}
        seconds = self.window // 1_000_000
        return f"{self.most}/{units.get(seconds, f'{seconds} s')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MutualTLS:
    """How proxies hand over the certificates of clients: the header, in lower case; None: not at all."""

    header: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DPoP:
    """Proofs of possession: `nonce` is "off" or "required"."""

    nonce: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """How often strangers may ask."""

    device: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgreSQL:
    """How PostgreSQL is reached. `sslmode` is one of libpq's words, or None: the store decides."""

    host: str
    port: int
    name: str
    user: str
    password: Secret
    sslmode: str | None
    sslrootcert: Path | None
    sslcert: Path | None
    sslkey: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """The listeners, and whose forwarding headers they believe."""

    http: Address
    metrics: Address
    trusted_proxy_cidrs: tuple[Network, ...]
    https: Address | None = None  # None: no TLS here
    hsts: int = 0  # seconds; 0: not told


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """The paths of the site. `path` starts and ends with a slash."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """How long sessions of people who did not sign in live, in microseconds."""

    unauthenticated_age: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """The first administrator, made without the wizard when `password` or `token` is given."""

    password: Secret | None
    token: Secret | None
    email: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as `ostiary settings` shows it: the text (stars for secrets) and where it came from."""

    variable: str
    text: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the operator decides outside the database."""

    secret_key: Secret | None  # None: to be made on the first start (SQLite only), see `secret_key`
    data_dir: Path
    blueprints_dir: Path | None
    hosts: tuple[str, ...]
    cookie_domain: str | None
    log_level: str
    listen: Listen
    web: Web
    sessions: Sessions
    bootstrap: Bootstrap
    postgresql: PostgreSQL | None  # None: SQLite
    mtls: MutualTLS = MutualTLS(header=None)
    dpop: DPoP = DPoP(nonce="off")
    throttle: Throttle = Throttle(device=Rate(20, 3_600_000_000))
    image_digest: str | None = None  # of the container image, as the deployment tells
    notes: tuple[str, ...] = ()  # what the operator should be told, one sentence each
    shown: Mapping[str, Shown] = field(default_factory=dict)

    @property
    def database_file(self) -> Path:
        """Where SQLite keeps everything, when it is used."""
        return self.data_dir / "ostiary.db"
