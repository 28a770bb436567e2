"""The one table of settings: name, type, default, and what it is for.

A setting named "listen.http" is read from OSTIARY_LISTEN__HTTP, else from AUTHENTIK_LISTEN__HTTP where authentik has a
setting of the same meaning, else from `listen: {http: ...}` in the configuration file, else its default applies.
docs/settings.md is generated from this table. Those of traces have the names that OpenTelemetry gives them everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ostiary.record import dataclass
from ostiary.settings import parse
from ostiary.settings.pairs import pairs

PREFIX: Final = "OSTIARY_"
ALIAS_PREFIX: Final = "AUTHENTIK_"
CONFIG_VARIABLE: Final = "OSTIARY_CONFIG"
"""Names the configuration file. It is no setting itself, because it says where settings are."""

SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
SAMPLERS: Final = (
    *("always_on", "always_off", "traceidratio"),
    *("parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"),
)
LOG_LEVELS: Final = ("trace", "debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One row of the table."""

    name: str  # dotted: "postgresql.host"
    parse: Callable[[str], object]  # raises ValueError("expected ...")
    default: str | None = None  # as an operator writes it; None: not set
    help: str
    alias: bool = True  # authentik has it under the same name
    secret: bool = False
    is_duration: bool = False  # microseconds, shown as a duration
    flat: bool = False  # authentik spells it with one underscore, not as a nested setting
    opentelemetry: bool = False  # the variable is OpenTelemetry's: OTEL_SERVICE_NAME for "otel.service_name"

    @property
    def variable(self) -> str:
        """The environment variable, "OSTIARY_POSTGRESQL__HOST"."""
        return self.name.upper().replace(".", "_") if self.opentelemetry else PREFIX + self._words()

    @property
    def alias_variable(self) -> str | None:
        """The variable of the same meaning in authentik."""
        return ALIAS_PREFIX + self._words() if self.alias else None

    def _words(self) -> str:
        return self.name.upper().replace(".", "_" if self.flat else "__")


TABLE: Final[tuple[Setting, ...]] = (
    Setting(
        name="secret_key",
        parse=parse.secret,
        secret=True,
        help="Encrypts secrets in the database. With SQLite, one is generated in the data folder when it is not set;"
        " with PostgreSQL it is required. Keep it: without it the secrets cannot be decrypted.",
    ),
    Setting(
        name="data_dir",
        parse=parse.path,
        default="./data",
        alias=False,
        help="Folder for the SQLite database, the secret key and the first-run link.",
    ),
    Setting(
        name="blueprints_dir",
        parse=parse.path,
        help="Folder whose blueprint files are applied at start, when they change, and hourly.",
    ),
    Setting(
        name="hosts",
        parse=parse.hosts,
        default="",
        alias=False,
        help="Host names under which people and applications reach this installation, separated by commas, with a port"
        " where it is not the default; .example.org stands for all names below it. Others are refused, except"
        " domains of brands, names pinned by `ostiary host add` or the first-run wizard, and localhost here.",
    ),
    Setting(name="cookie_domain", parse=parse.text, help="Domain of the session cookie. Not set: the host alone."),
    Setting(name="log_level", parse=parse.choice(*LOG_LEVELS), default="info", help="How much is logged."),
    Setting(
        name="image_digest",
        parse=parse.digest,
        alias=False,
        help="Digest (sha256:...) of the running container image, set by the deployment; metrics report it, so"
        " that it can be compared with what was built.",
    ),
    Setting(
        name="listen.http",
        parse=parse.address,
        default="127.0.0.1:9000",
        help="Where pages and protocols are served, as host:port. In a container: 0.0.0.0:9000.",
    ),
    Setting(
        name="listen.https",
        parse=parse.address_or_off,
        default="127.0.0.1:9443",
        help="Where the same is served over TLS, with the certificates of brands, as host:port; off for none."
        " If the default address is taken, there is no TLS listener.",
    ),
    Setting(
        name="listen.hsts",
        parse=parse.whole_seconds,
        default="31536000",
        help="Seconds for which browsers use TLS only (Strict-Transport-Security), sent over our own TLS"
        " where a brand has a certificate; 0: not sent.",
    ),
    Setting(
        name="listen.metrics",
        parse=parse.address,
        default="127.0.0.1:9300",
        help="Where metrics are served (path /metrics), as host:port.",
    ),
    Setting(
        name="listen.trusted_proxy_cidrs",
        parse=parse.networks,
        default="127.0.0.0/8,::1/128",
        help="Networks of reverse proxies whose X-Forwarded-* headers are trusted, separated by commas.",
    ),
    Setting(
        name="mtls.header",
        parse=parse.header,
        alias=False,
        help="Header in which trusted proxies forward a client's certificate (Client-Cert of RFC 9440, or PEM with"
        " percent encoding), for mutual TLS of OAuth2 clients. The proxy must overwrite what clients send under that"
        " name, and verify certificates. Not set: certificates are not accepted.",
    ),
    Setting(
        name="dpop.nonce",
        parse=parse.choice("off", "required"),
        default="off",
        alias=False,
        help="Whether DPoP proofs of OAuth2 clients must carry our nonce; stolen proofs then become useless sooner.",
    ),
    Setting(
        name="throttle.providers.oauth2.device",
        parse=parse.rate,
        default="20/hour",
        help="How many device codes one address may request.",
    ),
    Setting(name="web.path", parse=parse.url_path, default="/", help="Path prefix of every URL; ends with a slash."),
    Setting(
        name="sessions.unauthenticated_age",
        parse=parse.duration,
        is_duration=True,
        default="days=1",
        help="Lifetime of sessions of people who have not signed in.",
    ),
    Setting(
        name="expressions.workers",
        parse=parse.whole_number(1, 64),
        default="2",
        alias=False,
        help="How many expressions of administrators run at once for sign-ins, each in a process of about 15 MiB;"
        " more wait. Trial runs have one of their own. None is started before an expression needs one.",
    ),
    Setting(
        name="expressions.time",
        parse=parse.duration_up_to("seconds=60"),
        is_duration=True,
        default="seconds=1",
        alias=False,
        help="How long an expression may compute, at most seconds=60. Expressions that it calls are included.",
    ),
    Setting(
        name="expressions.deadline",
        parse=parse.duration_up_to("minutes=5"),
        is_duration=True,
        default="seconds=10",
        alias=False,
        help="How long an expression may take with all it waits for (database, DNS, HTTP), at most minutes=5.",
    ),
    Setting(
        name="expressions.memory",
        parse=parse.whole_number(8, 512),
        default="64",
        alias=False,
        help="MiB that the values of an expression may take.",
    ),
    Setting(
        name="expressions.calls",
        parse=parse.whole_number(1, 100_000),
        default="500",
        alias=False,
        help="How often an expression may ask Ostiary for something: a function, a relation of an object.",
    ),
    Setting(
        name="expressions.output",
        parse=parse.whole_number(0, 1_000_000),
        default="10000",
        alias=False,
        help="Characters that an expression may print.",
    ),
    Setting(
        name="expressions.hosts",
        parse=parse.hosts,
        default="",
        alias=False,
        help="Hosts that expressions may ask by `requests` and `resolve_dns`, such as"
        " api.example.org,nas.house.example:8443; a leading dot stands for all names below. Without a port, the usual"
        " ones. None by default.",
    ),
    Setting(
        name="expressions.networks",
        parse=parse.networks,
        default="",
        alias=False,
        help="Networks that are not public and in which those hosts may lie, such as 10.20.0.0/16; `reverse_dns` is"
        " answered for their addresses.",
    ),
    Setting(
        name="policies.leaked_passwords",
        parse=parse.http_address,
        default="https://api.pwnedpasswords.com",
        alias=False,
        help="The list of leaked passwords that password policies ask where an administrator wants it. It is sent five"
        " digits of a hash and never a password.",
    ),
    Setting(
        name="events.context_processors.geoip",
        parse=parse.path,
        default="/geoip/GeoLite2-City.mmdb",
        help="File with the places of addresses, in MaxMind's format (GeoLite2 City). Without it no place is known.",
    ),
    Setting(
        name="events.context_processors.asn",
        parse=parse.path,
        default="/geoip/GeoLite2-ASN.mmdb",
        help="File with the networks of addresses, in MaxMind's format (GeoLite2 ASN).",
    ),
    Setting(
        name="reputation.expiry",
        parse=parse.whole_seconds,
        default="86400",
        help="How long the reputation of an account or address is kept after its last change, in seconds.",
    ),
    Setting(
        name="event_retention",
        parse=parse.duration,
        is_duration=True,
        default="days=365",
        alias=False,
        help="How long events of the audit log are kept; those of unauthenticated requesters at most 30 days. A change"
        " applies to existing events as well.",
    ),
    Setting(
        name="otel.exporter_otlp_endpoint",
        parse=parse.http_address,
        alias=False,
        opentelemetry=True,
        help="Address of a collector that takes traces (OTLP over HTTP), such as http://localhost:4318; "
        "/v1/traces is appended. Not set: no traces are made.",
    ),
    Setting(
        name="otel.exporter_otlp_traces_endpoint",
        parse=parse.http_address,
        alias=False,
        opentelemetry=True,
        help="The same as a complete address, for a collector that takes traces at another path. Wins over the other.",
    ),
    Setting(
        name="otel.exporter_otlp_protocol",
        parse=parse.choice("http/protobuf"),
        default="http/protobuf",
        alias=False,
        opentelemetry=True,
        help="How the collector is spoken to: http/protobuf is the only one here. Collectors listen for it on "
        "port 4318, on 4317 for gRPC.",
    ),
    Setting(
        name="otel.exporter_otlp_headers",
        parse=parse.secret_pairs,
        secret=True,
        default="",
        alias=False,
        opentelemetry=True,
        help="Headers for the collector, such as authorization=Bearer%20...: name=value, separated by commas, "
        "values with percent encoding.",
    ),
    Setting(
        name="otel.exporter_otlp_compression",
        parse=parse.choice("none", "gzip"),
        default="none",
        alias=False,
        opentelemetry=True,
        help="Whether traces are sent compressed.",
    ),
    Setting(
        name="otel.exporter_otlp_certificate",
        parse=parse.path,
        alias=False,
        opentelemetry=True,
        help="File of the authorities that may sign the collector's certificate. Not set: those of the system.",
    ),
    Setting(
        name="otel.exporter_otlp_timeout",
        parse=parse.whole_number(100, 60_000),
        default="10000",
        alias=False,
        opentelemetry=True,
        help="Milliseconds that the collector may take to answer.",
    ),
    Setting(
        name="otel.service_name",
        parse=parse.text,
        default="ostiary",
        alias=False,
        opentelemetry=True,
        help="Name of this service in traces.",
    ),
    Setting(
        name="otel.resource_attributes",
        parse=pairs,
        default="",
        alias=False,
        opentelemetry=True,
        help="More about this service in traces, such as deployment.environment.name=test: name=value, separated "
        "by commas.",
    ),
    Setting(
        name="otel.traces_sampler",
        parse=parse.choice(*SAMPLERS),
        default="parentbased_always_on",
        alias=False,
        opentelemetry=True,
        help="Which requests are traced: always_on, always_off, traceidratio (the share of the next setting); "
        "with parentbased_ before it, a trusted proxy decides about the requests whose trace it began.",
    ),
    Setting(
        name="otel.traces_sampler_arg",
        parse=parse.share,
        default="1.0",
        alias=False,
        opentelemetry=True,
        help="The share for traceidratio, from 0 to 1.",
    ),
    Setting(
        name="otel.traces_exporter",
        parse=parse.choice("otlp", "none"),
        default="otlp",
        alias=False,
        opentelemetry=True,
        help="none: no traces are made.",
    ),
    Setting(
        name="otel.sdk_disabled",
        parse=parse.yes_or_no,
        default="false",
        alias=False,
        opentelemetry=True,
        help="true: no traces are made.",
    ),
    Setting(
        name="otel.bsp_schedule_delay",
        parse=parse.whole_number(100, 60_000),
        default="5000",
        alias=False,
        opentelemetry=True,
        help="Milliseconds after which spans are sent that do not fill a request to the collector (512) earlier.",
    ),
    Setting(
        name="otel.bsp_max_queue_size",
        parse=parse.whole_number(512, 100_000),
        default="2048",
        alias=False,
        opentelemetry=True,
        help="How many spans wait for the collector at most, about 1 KiB each; further ones are dropped, and counted.",
    ),
    Setting(
        name="bootstrap.password",
        flat=True,
        parse=parse.secret,
        secret=True,
        help="Password of akadmin, who is then created on the first start instead of by the wizard. Used once.",
    ),
    Setting(
        name="bootstrap.token",
        flat=True,
        parse=parse.secret,
        secret=True,
        help="API token of akadmin, made on the first start. Used once.",
    ),
    Setting(
        name="bootstrap.email",
        flat=True,
        parse=parse.text,
        default="root@example.com",
        help="E-mail address of akadmin when a bootstrap password or token is used.",
    ),
    Setting(
        name="email.host",
        parse=parse.text,
        default="localhost",
        help="Host of the mail server that takes our messages (SMTP).",
    ),
    Setting(name="email.port", parse=parse.port, default="25", help="Port of the mail server."),
    Setting(name="email.username", parse=parse.text, default="", help="Name to sign in with there. Empty: no sign-in."),
    Setting(name="email.password", parse=parse.secret, default="", secret=True, help="Password for it."),
    Setting(
        name="email.use_tls",
        parse=parse.yes_or_no,
        default="false",
        help="Protect the connection with STARTTLS, as is usual on port 587. The certificate is verified.",
    ),
    Setting(
        name="email.use_ssl",
        parse=parse.yes_or_no,
        default="false",
        help="Protect the connection with TLS from its start, as is usual on port 465. The certificate is verified.",
    ),
    Setting(
        name="email.timeout",
        parse=parse.whole_seconds,
        default="10",
        help="Seconds that the mail server may take for one step of the conversation.",
    ),
    Setting(
        name="email.from",
        parse=parse.text,
        default="ostiary@localhost",
        help="Sender of our messages: an address, or a name and an address as in: House <door@house.example>.",
    ),
    Setting(
        name="postgresql.host",
        parse=parse.text,
        help="Host of PostgreSQL, or a folder with its socket. Not set: SQLite in the data folder.",
    ),
    Setting(name="postgresql.port", parse=parse.port, default="5432", help="Port of PostgreSQL."),
    Setting(name="postgresql.name", parse=parse.text, default="authentik", help="Name of the database."),
    Setting(name="postgresql.user", parse=parse.text, default="authentik", help="Role that signs in to PostgreSQL."),
    Setting(
        name="postgresql.password",
        parse=parse.secret,
        default="env://POSTGRES_PASSWORD?",
        secret=True,
        help="Password of that role.",
    ),
    Setting(
        name="postgresql.sslmode",
        parse=parse.choice(*SSL_MODES),
        help="TLS to PostgreSQL. Not set: verify-full, and prefer on this machine (loopback or socket).",
    ),
    Setting(
        name="postgresql.sslrootcert", parse=parse.path, help="File of the authorities that may sign its certificate."
    ),
    Setting(name="postgresql.sslcert", parse=parse.path, help="File of our client certificate."),
    Setting(name="postgresql.sslkey", parse=parse.path, help="File of the key of our client certificate."),
)

NAMES: Final = {setting.name: setting for setting in TABLE}
