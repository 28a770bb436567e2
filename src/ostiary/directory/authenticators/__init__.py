"""Authenticators: the base class of second factors, and the devices of users.

Each kind is a subclass of `authenticator.Authenticator`, next to its set-up stage in a higher room.
"""

__all__ = ["authenticator", "device", "devices"]
