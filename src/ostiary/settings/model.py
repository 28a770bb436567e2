"""The settings as frozen values, which the application passes to the rooms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from ostiary.record import dataclass
from ostiary.seal import Secret
from ostiary.settings.pairs import pairs

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a listener: a host name or IP address, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class RateSetting:
    """A rate: at most `most` per `window` of microseconds."""

    most: int
    window: int

    def __str__(self) -> str:
        units = {1: "second", 60: "minute", 3600: "hour", 86400: "day"}
        seconds = self.window // 1_000_000
        return f"{self.most}/{units.get(seconds, f'{seconds} s')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MutualTLS:
    """The header (lower case) in which proxies forward client certificates; None: certificates are not accepted."""

    header: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DPoP:
    """DPoP proofs: `nonce` is "off" or "required"."""

    nonce: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """The rates of unauthenticated requests."""

    device: RateSetting


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgreSQL:
    """The connection to PostgreSQL. `sslmode` is one of libpq's, or None: the store decides."""

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
    """The listeners, and the proxies whose forwarded headers they trust."""

    http: Address
    metrics: Address
    trusted_proxy_cidrs: tuple[Network, ...]
    https: Address | None = None  # None: no TLS here
    hsts: int = 0  # max-age in seconds; 0: no header


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """The paths of the site. `path` starts and ends with a slash."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """The lifetime of anonymous sessions, in microseconds."""

    unauthenticated_age: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpressionSettings:
    """How many expressions run at once, what one may cost, and whom it may ask.

    Durations in microseconds, `memory` in MiB. `hosts` are authorities, with a leading dot for all names below;
    `networks` are those not public ones in which they may lie.
    """

    workers: int = 2
    time: int = 1_000_000
    deadline: int = 10_000_000
    memory: int = 64
    calls: int = 500
    output: int = 10_000
    hosts: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """What policies ask outside: the address of the list of leaked passwords."""

    leaked_passwords: str = "https://api.pwnedpasswords.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceSettings:
    """Files with the places and the networks of addresses. They need not exist."""

    geoip: Path | None = None
    asn: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReputationSettings:
    """How long scores are kept, in seconds."""

    expiry: int = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapSettings:
    """The first administrator, created without the wizard when `password` or `token` is set."""

    password: Secret | None
    token: Secret | None
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailSettings:
    """The mail server. `timeout` is in seconds and holds for one step; `sender` is `Name <address>` or an address."""

    host: str = "localhost"
    port: int = 25
    username: str = ""
    password: Secret = Secret("")
    use_tls: bool = False  # STARTTLS
    use_ssl: bool = False  # TLS from the first octet
    timeout: int = 10
    sender: str = "ostiary@localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class TracingSettings:
    """OpenTelemetry's settings, under its names. Times are in milliseconds; both endpoints None: no traces."""

    sdk_disabled: bool = False
    service_name: str = "ostiary"
    resource_attributes: Mapping[str, str] = field(default_factory=dict)
    traces_exporter: str = "otlp"
    traces_sampler: str = "parentbased_always_on"
    traces_sampler_arg: float = 1.0
    exporter_otlp_endpoint: str | None = None
    exporter_otlp_traces_endpoint: str | None = None
    exporter_otlp_headers: Secret = Secret("")
    exporter_otlp_compression: str = "none"
    exporter_otlp_certificate: Path | None = None
    exporter_otlp_timeout: int = 10_000
    bsp_schedule_delay: int = 5_000
    bsp_max_queue_size: int = 2_048

    @property
    def address(self) -> str | None:
        """Where traces are sent; None: none are made."""
        if self.sdk_disabled or self.traces_exporter == "none":
            return None
        if self.exporter_otlp_endpoint is None:
            return self.exporter_otlp_traces_endpoint
        return self.exporter_otlp_traces_endpoint or f"{self.exporter_otlp_endpoint}/v1/traces"

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers for the collector, in clear."""
        return pairs(self.exporter_otlp_headers.reveal())


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as `ostiary settings` shows it: its text (stars for a secret) and its source."""

    variable: str
    text: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the operator decides outside the database."""

    secret_key: Secret | None  # None: generated on the first start (SQLite only), see `secret_key`
    data_dir: Path
    blueprints_dir: Path | None
    hosts: tuple[str, ...]
    cookie_domain: str | None
    log_level: str
    listen: Listen
    web: Web
    sessions: SessionSettings
    bootstrap: BootstrapSettings
    postgresql: PostgreSQL | None  # None: SQLite
    mtls: MutualTLS = MutualTLS(header=None)
    dpop: DPoP = DPoP(nonce="off")
    email: EmailSettings = EmailSettings()
    throttle: Throttle = Throttle(device=RateSetting(20, 3_600_000_000))
    expressions: ExpressionSettings = ExpressionSettings()
    policies: PolicySettings = PolicySettings()
    tracing: TracingSettings = TracingSettings()
    reputation: ReputationSettings = ReputationSettings()
    places: PlaceSettings = PlaceSettings()
    event_retention: int = 365 * 86_400_000_000  # microseconds
    image_digest: str | None = None  # of the container image, set by the deployment
    notes: tuple[str, ...] = ()  # notes for the operator, one sentence each
    shown: Mapping[str, Shown] = field(default_factory=dict)

    @property
    def database_file(self) -> Path:
        """The SQLite database file."""
        return self.data_dir / "ostiary.db"
