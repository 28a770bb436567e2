"""The context of property mappings: time, request, brand and provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.sandbox.evaluation.evaluator import Evaluator
    from ostiary.sandbox.evaluation.expression_context import ExpressionContext
    from ostiary.web.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingContext:
    """Everything that expressions of mappings see besides the user.

    `now` is microseconds UTC. `request` is that of the application or the browser, and `brand` the brand of its host.
    `provider` are the fields of the provider, with `_application` for those of its application. `names` are the
    variables of its kind, such as `info` of an OAuth source. Without `evaluator`, expressions that need the sandbox
    fail. In a `trial` effects are not carried out, and no network request is made.
    """

    now: int
    evaluator: Evaluator | None
    request: Request | None = None
    brand: Mapping[str, object] = field(default_factory=dict)
    provider: Mapping[str, object] | None = None
    names: Mapping[str, object] = field(default_factory=dict)
    client_ip: str | None = None
    trial: bool = False

    def expression_context(self, subject: Subject, mapping: Mapping[str, object]) -> ExpressionContext:
        """Return the variables for one mapping, whose fields are `mapping`."""
        from ostiary.sandbox.evaluation.expression_context import ExpressionContext  # noqa: PLC0415 - not for those without expressions

        return ExpressionContext(
            subject=subject,
            now=self.now,
            client_ip=self.client_ip,
            request=self.request,
            brand=self.brand,
            bound=mapping,
            names={"provider": self.provider, **self.names},
            trial=self.trial,
        )
