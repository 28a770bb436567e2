"""What expressions are answered with: who asks and when, what they see of it, and what came of a run.

`evaluator` runs an expression. What it would like done is returned; whoever asked for the run does it or leaves it.
"""

__all__ = ["effects", "errors", "evaluator", "expression_context", "object_fields", "result"]
