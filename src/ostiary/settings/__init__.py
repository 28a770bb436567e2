"""What the operator decides outside the database: environment, file and defaults become one frozen `Settings`.

Owns the table of settings (`table`), their reading (`load`) and the secret key made on a first start (`secret_key`).
Serves no paths. Must not know any other room: values are given to the rooms by the application.
"""

from ostiary.settings.errors import InvalidSetting, MissingSetting, SettingsError, UnknownSetting
from ostiary.settings.load import load
from ostiary.settings.model import Address, Bootstrap, Listen, PostgreSQL, Sessions, Settings, Web

__all__ = [
    "Address",
    "Bootstrap",
    "InvalidSetting",
    "Listen",
    "MissingSetting",
    "PostgreSQL",
    "Sessions",
    "Settings",
    "SettingsError",
    "UnknownSetting",
    "Web",
    "load",
]
