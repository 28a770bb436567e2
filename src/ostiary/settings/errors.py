"""What can be wrong with settings. Every message names the variable and what was expected.

SettingsError
├── InvalidSetting   a value that is not what the setting takes
├── MissingSetting   nothing was given where something is needed
└── UnknownSetting   an OSTIARY_ name, or a key of the file, that no setting has
"""

from __future__ import annotations


class SettingsError(Exception):
    """The root of this room's errors; the text is one clear line for the operator."""


class InvalidSetting(SettingsError):
    """A value that is not what the setting takes."""


class MissingSetting(SettingsError):
    """Nothing was given where something is needed."""


class UnknownSetting(SettingsError):
    """A name that no setting has; the message names the nearest one."""
