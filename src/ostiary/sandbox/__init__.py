"""The sandbox: it runs administrators' expressions without a native meaning, in processes without any rights.

It owns no objects and serves no paths. `language` compiles expressions to programs, `workers` runs programs, and
`evaluation` provides their inputs and host functions, and returns their results. `reaching` makes their network
requests to the allowed hosts. It knows no policies, mappings or prompts.
"""

__all__ = ["evaluation", "language", "room"]
