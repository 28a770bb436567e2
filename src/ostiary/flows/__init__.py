"""Flows: the stages that a user passes for one purpose, in order, each with its own proof.

It owns the kinds flow, flow-stage binding, stage and prompt; the tables `flow_tab_plan`, `flow_completion`, `consent`
and `flow_webauthn`; the executor at /api/v3/flows/executor/, the redirects at /flows/-/, and /.well-known/webauthn. A
stage names the template of its challenge; the room portal renders the page around it. Flows know no protocol. A caller
starts a flow with a completion key, and later checks the completion or commits the end of the flow itself.
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
