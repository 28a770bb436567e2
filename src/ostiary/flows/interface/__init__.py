"""The interface of stages: what one is given, what it may answer, and who the flow is about."""

__all__ = ["stage_context"]
