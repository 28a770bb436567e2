"""Policies: bindings of groups, users and policies to objects, and the one engine that decides, with a trace.

Owns the kinds policy binding, expression policy and password policy. Serves no paths.
Must not know flows, protocols or sessions: a caller hands over the subject and the facts of the moment.
"""

__all__ = [
    "context",
    "decide",
    "errors",
    "kinds",
    "native",
    "resources",
    "room",
    "services",
    "trace",
    "verdict",
    "wishes",
]
