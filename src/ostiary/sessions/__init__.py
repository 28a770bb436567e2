"""Browser sessions: the cookie, the row behind it, sign-in, sign-out and expiry.

Owns the table `session` and the cookie `authentik_session`. Serves no paths.
Must not know users, events, flows or grants: what hangs on a session is handed over as hooks that yield statements.
"""
