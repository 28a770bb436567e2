"""The errors of settings. Every message names the variable and what was expected.

SettingsError
├── InvalidSetting   the value cannot be parsed
├── MissingSetting   a required setting has no value
└── UnknownSetting   an OSTIARY_ variable, or a key of the file, without a setting
"""

from __future__ import annotations


class SettingsError(Exception):
    """The root of this room's errors; the text is one clear line for the operator."""


class InvalidSetting(SettingsError):
    """The value of a setting cannot be parsed."""


class MissingSetting(SettingsError):
    """A required setting has no value."""


class UnknownSetting(SettingsError):
    """A name without a setting. The message names the nearest one."""
