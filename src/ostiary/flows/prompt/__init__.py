"""Prompts: fields, their values and expressions, and the validation of responses."""
