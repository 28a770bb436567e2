"""The set-up of the first administrator, by a link or by settings."""

__all__ = ["administrator", "bootstrap", "setup"]
