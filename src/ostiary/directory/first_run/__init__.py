"""The first administrator, by a link or by settings."""
