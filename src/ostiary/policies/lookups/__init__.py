"""What kinds of policies look up beside the user and the request: scores, earlier passwords, known leaks, places."""

__all__ = ["reputation"]
