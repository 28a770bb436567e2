"""Authenticators: what every kind of second factor has in common, and the devices people have of them.

Each kind is a class of its own (`authenticator.Authenticator`) beside its set-up stage, in a room above.
"""

__all__ = ["authenticator", "device", "devices"]
