"""Authenticators: the base class of second factors, and the devices of users.

Each kind is a class of its own (`authenticator.Authenticator`) beside its set-up stage, in a room above.
"""

__all__ = ["authenticator", "device", "devices"]
