"""Applying: one entry after another onto one workspace."""
