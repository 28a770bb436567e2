"""Browser sessions: cookie, storage, sign-in, sign-out and expiry.

Owns the table `session` and the cookie `authentik_session`. Serves no paths. Must not know users, events, flows or
grants: other rooms add statements to the transactions of this one through hooks.
"""

__all__ = ["cookie", "repository", "room", "session", "sessions"]
