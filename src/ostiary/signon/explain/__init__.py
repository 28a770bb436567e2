"""Explanations: why a user may use an application or not. They use the engine of sign-in, and write nothing.

They serve the command line, not requests.
"""

__all__ = ["explanation", "flow_outline", "flow_runs", "lookup", "preview", "report", "situation", "trial"]
