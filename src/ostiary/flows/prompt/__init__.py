"""Prompts: the values of a field, and the judgement of what was typed."""
