"""Flows: what a person is asked, in which order, and what proves each step.

Owns the kinds flow, flow-stage binding, every stage and prompt; the tables `flow_tab_plan`, `flow_completion` and
`consent`; the executor at /api/v3/flows/executor/ and the redirects at /flows/-/. Must not know how a challenge looks
on a page, nor any protocol: whoever needs a flow done begins it with a completion key, and asks for it afterwards or
commits its end itself.
"""

__all__ = [
    "consents",
    "engine",
    "enrolled",
    "error_detail",
    "errors",
    "logout",
    "next_url",
    "password_change",
    "people",
    "plans",
    "proofs",
    "resources",
    "room",
    "run",
    "services",
    "stages",
]
