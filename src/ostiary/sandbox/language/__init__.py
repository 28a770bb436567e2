"""The language of expressions: Python's, as far as the sandbox has it. Here they are checked and made into programs.

Nothing is run here. `prelude` is what programs take along, `program` is where to begin.
"""

__all__ = ["fault", "names", "program", "returned_keys"]
