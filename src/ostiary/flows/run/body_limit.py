"""How large an answer to a flow may be: larger where a form of it asks for a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.flows.prompt.field import with_files
from ostiary.flows.resources import FlowStageBinding
from ostiary.flows.stages.prompt import PromptStage
from ostiary.web.request import BODY_LIMIT

if TYPE_CHECKING:
    from ostiary.flows.resources import Flow
    from ostiary.store.configuration.snapshot import Snapshot

FILES_LIMIT: Final = 1024 * 1024
"""Bytes of a form with files, or of its JSON."""


def takes_files(flow: Flow, snapshot: Snapshot) -> bool:
    """Return whether a stage of the flow asks for a file."""
    return str(flow.pk) in snapshot.memo("flows.with_files", lambda: _with_files(snapshot))


def body_limit(flow: Flow, snapshot: Snapshot) -> int:
    """Return how many bytes an answer to the flow may have."""
    # guard: A69 only a flow that asks for a file takes larger answers
    return FILES_LIMIT if takes_files(flow, snapshot) else BODY_LIMIT


def _with_files(snapshot: Snapshot) -> frozenset[str]:
    prompts = with_files(snapshot)
    stages = {str(one.pk) for one in snapshot.all(PromptStage) if not prompts.isdisjoint(one.fields)} if prompts else ()
    return frozenset(one.target for one in snapshot.all(FlowStageBinding) if one.stage in stages)
