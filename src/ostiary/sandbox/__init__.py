"""The sandbox: administrators' expressions that have no native meaning run here, in processes without any rights.

Owns no objects and serves no paths. `workers` runs programs and says how they ended. Must not know policies, mappings
or prompts: they hand over a program, what it sees, and what it may call.
"""

__all__ = ["room", "workers"]
