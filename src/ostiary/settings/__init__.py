"""The operator's settings: environment, configuration file and defaults, read into one frozen `Settings`.

Owns the table of settings (`table`), its loader (`load`) and the generated secret key (`secret_key`).
Serves no paths. Must not know any other room: the application passes the values to the rooms.
"""

from ostiary.settings.errors import InvalidSetting, MissingSetting, SettingsError, UnknownSetting
from ostiary.settings.load import load
from ostiary.settings.model import (
    Address,
    BootstrapSettings,
    EmailSettings,
    ExpressionSettings,
    Listen,
    PolicySettings,
    PostgreSQL,
    SessionSettings,
    Settings,
    TracingSettings,
    Web,
)

__all__ = [
    "Address",
    "BootstrapSettings",
    "EmailSettings",
    "ExpressionSettings",
    "InvalidSetting",
    "Listen",
    "MissingSetting",
    "PolicySettings",
    "PostgreSQL",
    "SessionSettings",
    "Settings",
    "SettingsError",
    "TracingSettings",
    "UnknownSetting",
    "Web",
    "environment",
    "load",
    "secret_key",
]
