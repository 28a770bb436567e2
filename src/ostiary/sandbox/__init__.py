"""The sandbox: administrators' expressions that have no native meaning run here, in processes without any rights.

Owns no objects and serves no paths. `language` makes programs of expressions, `workers` runs programs and says how they
ended, `evaluation` gives them what they see and ask. Must not know policies, mappings or prompts.
"""

__all__ = ["evaluation", "language", "room"]
