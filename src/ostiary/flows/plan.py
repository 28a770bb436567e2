"""The plan of one run through a flow: JSON data only, primary keys and never objects."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from typing import cast

from ostiary.flows.outcome import ErrorDetail, Errors
from ostiary.record import dataclass
from ostiary.resource import codec


@dataclass(frozen=True, slots=True)
class Step:
    """One stage still to come. `binding` is None for a stage that another stage put in."""

    stage: str
    binding: str | None = None
    re_evaluate: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a session stands in a flow. The first of `steps` is the current stage.

    `context` is what stages leave for each other, `origin` what it began with, `scratch` belongs to the current
    stage alone, `shown` tells that its challenge was made, `passed` counts the stages behind, `denied` is the last
    word of a plan that was refused, `append` are stages that come after those of the flow. `user` is who the
    session belonged to: a plan does not survive a change of person.
    """

    id: str
    slug: str
    version: int = 0
    planned: bool = False
    steps: tuple[Step, ...] = ()
    context: Mapping[str, object] = field(default_factory=dict)
    origin: Mapping[str, object] = field(default_factory=dict)
    scratch: Mapping[str, object] = field(default_factory=dict)
    shown: bool = False
    passed: int = 0
    errors: Errors = field(default_factory=dict)
    denied: str | None = None
    next_url: str = ""
    completion: str | None = None
    append: tuple[str, ...] = ()
    user: int | None = None

    @property
    def ticket(self) -> str:
        """Name exactly this stage of this plan, for a page's form."""
        return f"{self.id}.{self.passed}"

    def to(self, **changes: object) -> Plan:
        """Return the plan with some fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]

    def advanced(self, *, context: Mapping[str, object] | None = None, insert: tuple[str, ...] = ()) -> Plan:
        """Return the plan without its current stage; `insert` come next."""
        return dataclasses.replace(
            self,
            steps=(*(Step(stage) for stage in insert), *self.steps[1:]),
            context=self.context if context is None else context,
            scratch={},
            shown=False,
            errors={},
            passed=self.passed + 1,
        )

    def without_step(self) -> Plan:
        """Return the plan without its current stage, which turned out not to be needed."""
        return self.advanced()

    def dump(self) -> bytes:
        """Return JSON bytes, without what has a column of its own."""
        body = {
            name: getattr(self, name)
            for name in self.__slots__
            if name not in {"id", "slug", "version", "steps", "errors"}
        }
        body["steps"] = [[step.stage, step.binding, step.re_evaluate] for step in self.steps]
        body["errors"] = {key: [[one.string, one.code] for one in items] for key, items in self.errors.items()}
        return codec.encode(body)


def load_plan(data: bytes, *, plan_id: str, slug: str, version: int) -> Plan:
    """Return the plan that `dump` wrote."""
    body = cast("dict[str, object]", codec.decode(data))
    steps = cast("list[tuple[str, str | None, bool]]", body.pop("steps"))
    errors = cast("dict[str, list[tuple[str, str]]]", body.pop("errors"))
    append = cast("list[str]", body.pop("append", []))
    plan = Plan(id=plan_id, slug=slug, version=version)
    return plan.to(
        **body,
        append=tuple(append),
        steps=tuple(Step(stage, binding, re_evaluate) for stage, binding, re_evaluate in steps),
        errors={key: tuple(ErrorDetail(string, code) for string, code in items) for key, items in errors.items()},
    )
