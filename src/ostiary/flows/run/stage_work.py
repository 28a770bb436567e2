"""The work of stages, each a span of the request in its trace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from ostiary.spans import Span, span

if TYPE_CHECKING:
    from ostiary.flows.interface.stage_context import Behaviour, StageContext, Verdict
    from ostiary.flows.resources import Flow, Stage


async def open_stage(stage: Stage, stage_context: StageContext) -> Verdict:
    """Let a stage say what there is to ask, or that it needs no answer."""
    with span(f"open {type(stage).__name__}") as work:
        verdict = await cast("Behaviour", stage).open(stage_context)
        _describe(work, stage_context.flow, stage, verdict)
        return verdict


async def answer_stage(stage: Stage, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
    """Let a stage judge an answer."""
    with span(f"answer {type(stage).__name__}") as work:
        verdict = await cast("Behaviour", stage).answer(stage_context, answer)
        _describe(work, stage_context.flow, stage, verdict)
        return verdict


def _describe(work: Span, flow: Flow, stage: Stage, verdict: Verdict) -> None:
    work.note("ostiary.flow", flow.slug)
    work.note("ostiary.stage", stage.name)
    work.note("ostiary.verdict", type(verdict).__name__.lower())
