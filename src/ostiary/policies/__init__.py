"""Policies: bindings of groups, users and policies to objects, and the one engine that decides, with a trace.

Owns policy bindings, the kinds of policies, and the reputation of accounts and addresses. Serves no paths.
Must not know flows, protocols or sessions: a caller hands over the subject and the facts of the moment.
"""

__all__ = [
    "context",
    "decide",
    "decision_effects",
    "errors",
    "kinds",
    "lookups",
    "native",
    "policy_request",
    "resources",
    "room",
    "services",
    "trace",
]
