"""The redirect stage: it redirects to a URL, or switches to another flow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Final, Literal
from urllib.parse import urlsplit

from ostiary.flows.challenge_page import REDIRECT
from ostiary.flows.interface.stage_context import Ask, Done, Refused, StageContext, Switch, Verdict
from ostiary.flows.next_url import is_safe_destination
from ostiary.flows.resources import STAGE, Flow, Stage
from ostiary.resource import Help, OnDelete, Problem, Reference, kind

TARGET: Final = "redirect_stage_target"
"""Key of the plan context: a URL, or `ak-flow://` and the slug of a flow. It overrides the target of the stage."""
NOWHERE: Final = "This step leads nowhere. Tell whoever runs this service."
_FLOW_SCHEME: Final = "ak-flow"


def _validate_target(stage: RedirectStage) -> Iterable[Problem]:
    if stage.mode == "static" and not stage.target_static:
        yield Problem("target_static", "Target URL should be present when mode is Static.")
    if stage.mode == "flow" and stage.target_flow is None:
        yield Problem("target_flow", "Target Flow should be present when mode is Flow.")
    if stage.target_static and not is_safe_destination(stage.target_static):
        yield Problem("target_static", "leads nowhere a browser may be sent: a path, or an absolute URL, is wanted")


@kind(
    "authentik_stages_redirect.redirectstage",
    verbose_name="Redirect Stage",
    component="ak-stage-redirect-form",
    routes="stages/redirect",
    families=(STAGE,),
    check=_validate_target,
)
class RedirectStage(Stage):
    """Redirects: in mode static to a URL, while the flow waits; in mode flow to another flow with the plan."""

    COMPONENT: ClassVar[str] = REDIRECT

    keep_context: Annotated[bool, Help("The other flow knows what this one found out.")] = True
    mode: Literal["static", "flow"]
    target_static: str = ""
    target_flow: Annotated[str | None, Reference("authentik_flows.flow", OnDelete.SET_NULL)] = None

    async def open(self, stage_context: StageContext) -> Verdict:
        """Redirect to the target in the plan context, else to that of the mode."""
        return self._named(stage_context) or self._configured()

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Continue after the redirect to a URL. Another flow is switched to as in `open`."""
        del answer
        verdict = await self.open(stage_context)
        return Done() if isinstance(verdict, Ask) else verdict

    def _configured(self) -> Verdict:
        if self.mode == "flow":
            return Refused(NOWHERE) if self.target_flow is None else Switch(self.target_flow, self.keep_context)
        return _to(self.target_static)

    def _named(self, stage_context: StageContext) -> Verdict | None:
        target = stage_context.text(TARGET)
        if not target:
            return None
        if not target.startswith(f"{_FLOW_SCHEME}://"):
            return _to(target)
        flow = stage_context.snapshot.find(Flow, slug=urlsplit(target).netloc)
        return None if flow is None else Switch(str(flow.pk))


def _to(address: str) -> Verdict:
    return Ask({"to": address}, person=False) if is_safe_destination(address) else Refused(NOWHERE)
