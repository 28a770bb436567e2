"""The evaluation of expressions: their variables, host functions, results and effects.

`evaluator` evaluates an expression. Its effects are returned; the caller carries them out.
"""

__all__ = ["effects", "errors", "evaluator", "expression_context", "object_fields", "result"]
