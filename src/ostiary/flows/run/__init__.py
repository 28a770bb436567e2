"""The dispatcher: the only place that advances a plan, and all that one answer commits."""

__all__ = ["decline", "outcome", "planner"]
