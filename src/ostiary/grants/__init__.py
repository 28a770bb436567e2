"""Grants: the authorizations that people gave to clients, with their codes and tokens.

Owns the tables grant_family, refresh_token, access_token, access_descent, device_grant, grant_rate and session_party,
and the single-use values "oauth2.code" and "oauth2.pushed". Serves no paths. Must not know the settings of clients,
flows, or the wire formats of protocols.

A *family* is one authorization: its code, and every token issued from it. Every change of a family locks its row first,
so that rotation, replay and logout of a family are serialized on both databases.
"""

__all__ = [
    "access_tokens",
    "authorization_codes",
    "binding",
    "counters",
    "derived_tokens",
    "device_codes",
    "errors",
    "family",
    "pushed_requests",
    "refresh_tokens",
    "room",
    "session_clients",
]
