"""The interface of stages: their context, their verdicts, and the pending user."""

__all__ = ["stage_context"]
