"""Sign-on: what every protocol needs before it may answer for a person.

It owns the choice of the flow, the demand for a person, the question to the application's policies, the consent, the
way back from a flow to the request it was begun for, and what a recovery link does. It serves no path: protocols
register by theirs (`protocols`). It must not know any of them; a protocol keeps its parsing, its table of steps, and
its answer.
"""

__all__ = [
    "access",
    "authorization",
    "context",
    "endpoint",
    "explain",
    "finishing",
    "interaction",
    "person",
    "protocols",
    "recovery",
    "returning",
    "room",
    "services",
]
