"""The data that kinds of policies look up: reputation, earlier passwords, leaked passwords, locations."""

__all__ = ["reputation"]
