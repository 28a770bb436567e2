"""The loader of settings: environment before file before defaults, into one frozen `Settings`. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from ostiary.proto.duration import duration_text
from ostiary.seal import Secret
from ostiary.settings import parse
from ostiary.settings.errors import InvalidSetting, MissingSetting
from ostiary.settings.model import (
    BootstrapSettings,
    DPoP,
    EmailSettings,
    ExpressionSettings,
    Listen,
    MutualTLS,
    PlaceSettings,
    PolicySettings,
    PostgreSQL,
    ReputationSettings,
    SessionSettings,
    Settings,
    Shown,
    Throttle,
    TracingSettings,
    Web,
)
from ostiary.settings.sources import DEFAULT_FILE, RawValue, aliases_not_needed, find, read_file, refuse_unknown
from ostiary.settings.table import TABLE, Setting

T = TypeVar("T")


def load(environ: Mapping[str, str], *, default_file: Path | None = DEFAULT_FILE) -> Settings:
    """Return the settings in force. Raises SettingsError with one line that names the variable."""
    refuse_unknown(environ)
    file, file_name = read_file(environ, default_file)
    values: dict[str, object] = {}
    shown: dict[str, Shown] = {}
    for setting in TABLE:
        raw = find(setting, environ, file, file_name)
        values[setting.name] = _value(setting, raw)
        shown[setting.name] = Shown(setting.variable, _text(setting, values[setting.name]), raw.source)
    return _settings(values, shown, tuple(aliases_not_needed(environ)))


def _value(setting: Setting, raw: RawValue) -> object:
    if raw.text is None or (raw.text == "" and setting.default is None):
        return None
    if raw.text == "" and setting.secret:
        return Secret("")
    try:
        return setting.parse(raw.text)
    except ValueError as error:
        shown = "" if setting.secret else f", not {raw.text!r}"
        raise InvalidSetting(f"{raw.blame}: {error}{shown}") from None


def _text(setting: Setting, value: object) -> str:
    if value is None:
        return "off" if setting.parse is parse.address_or_off else ""
    if isinstance(value, int) and setting.is_duration:
        return duration_text(value)
    if isinstance(value, Secret):
        return str(value) if value else ""
    if isinstance(value, Mapping):
        return ",".join(f"{name}={item}" for name, item in value.items())
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value)
    return str(value)


def _settings(values: Mapping[str, object], shown: Mapping[str, Shown], notes: tuple[str, ...]) -> Settings:
    postgresql = None
    if values["postgresql.host"]:
        postgresql = _section(PostgreSQL, "postgresql", values)
        if values["secret_key"] is None:
            raise MissingSetting(
                "OSTIARY_SECRET_KEY: expected a long random text, because with PostgreSQL none is made;"
                " make one with: openssl rand -base64 48"
            )
    top: dict[str, Any] = {name: value for name, value in values.items() if "." not in name}
    return Settings(
        **top,
        listen=_section(Listen, "listen", values),
        web=_section(Web, "web", values),
        sessions=_section(SessionSettings, "sessions", values),
        bootstrap=_section(BootstrapSettings, "bootstrap", values),
        postgresql=postgresql,
        email=_email(values),
        mtls=_section(MutualTLS, "mtls", values),
        dpop=_section(DPoP, "dpop", values),
        expressions=_section(ExpressionSettings, "expressions", values),
        policies=_section(PolicySettings, "policies", values),
        places=_section(PlaceSettings, "events.context_processors", values),
        reputation=_section(ReputationSettings, "reputation", values),
        throttle=_section(Throttle, "throttle.providers.oauth2", values),
        tracing=_section(TracingSettings, "otel", values),
        notes=notes,
        shown=shown,
    )


def _email(values: Mapping[str, object]) -> EmailSettings:
    if values["email.use_tls"] and values["email.use_ssl"]:
        raise InvalidSetting(
            "OSTIARY_EMAIL__USE_SSL: expected false beside OSTIARY_EMAIL__USE_TLS: a connection has one kind of TLS"
        )
    return _section(EmailSettings, "email", {**values, "email.sender": values["email.from"]})


def _section(model: type[T], name: str, values: Mapping[str, object]) -> T:
    return model(**{item.name: values[f"{name}.{item.name}"] for item in fields(model)})  # type: ignore[arg-type]
