"""The directory: users, groups, roles, memberships, user tokens, authenticators, passwords, and the sign-in throttle.

Owns the tables `directory_*`, and the state of the first-run set-up. Serves no paths. Must not know flows, pages,
protocols or policies: it only identifies users and verifies their credentials.
"""

__all__ = [
    "accounts",
    "attempts",
    "authenticators",
    "errors",
    "first_run",
    "group_tree",
    "install",
    "machines",
    "passwords",
    "resources",
    "roles",
    "room",
    "rows",
    "tokens",
    "user",
    "users",
]
