"""The dispatcher: the only place that advances a plan, and all that one answer commits."""

__all__ = ["challenge_frame", "decline", "destination", "flow_commit", "outcome", "stage_context"]
