"""Grants: the authorizations people gave to clients, and the codes and tokens issued for them.

Owns the tables grant_family, refresh_token and access_token, and the namespace "oauth2.code" of single-use values.
A *family* is one authorization: its code, and every token issued from it. Every change of a family locks its row first,
so that rotation, replay and logout of one family are serialized on both databases. Serves no paths.
Must not know clients' settings, flows or protocols' wire forms.
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
