"""Sign-on: authentication, access check and consent, for every protocol.

It owns the choice of the flow, the required sign-in, the policies of the application, the consent, the return from a
flow to the request that started it, and recovery links. It serves no path: protocols register their endpoints
(`protocols`). It knows no protocol. A protocol keeps its parser, its table of steps, and its response.
"""

__all__ = [
    "access",
    "authorization",
    "break_glass",
    "completion",
    "context",
    "endpoint",
    "explain",
    "final_commit",
    "person",
    "protocols",
    "recovery",
    "room",
    "services",
]
