"""The dispatcher, which alone advances a plan, and the commit of each response."""

__all__ = ["decline", "outcome", "planner"]
