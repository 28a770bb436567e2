"""Flows: what a person is asked, in which order, and what proves each step.

Owns the kinds flow, flow-stage binding, every stage and prompt; the tables `flow_tab_plan`, `flow_completion` and
`consent`; the executor at /api/v3/flows/executor/ and the redirects at /flows/-/. A stage says which template shows its
challenge; the page around it is the room portal's. Must not know any protocol: whoever needs a flow done begins it with
a completion key, and asks for it afterwards or commits its end itself.
"""

__all__ = [
    "challenge_page",
    "engine",
    "enrolment",
    "error_detail",
    "errors",
    "handover",
    "interface",
    "logout",
    "next_url",
    "password_change",
    "people",
    "plans",
    "resources",
    "room",
    "run",
    "services",
    "stages",
]
