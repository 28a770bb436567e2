"""The composition root: the one list of rooms, everything built from `Settings`, listeners, health, metrics, logs.

Serves /-/health/live/ and /-/health/ready/, and /metrics on its own port. Must not hold logic of any feature: it
builds the services of the rooms, starts and stops them.
"""

__all__ = ["background", "core", "new_passwords", "operator", "serve"]
