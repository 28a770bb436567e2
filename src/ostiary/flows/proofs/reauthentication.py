"""The step that asks whoever is signed in for their password again; nobody sets it up (see `sensitive`).

It stands before the first question of a flow that changes a password; and before whatever writes, if it was not asked
there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar, Final

from ostiary.flows.proofs.password_check import INBUILT
from ostiary.flows.proofs.sensitive import REAUTHENTICATE
from ostiary.flows.run.stage_context import Ask, StageContext, Verdict
from ostiary.flows.stages.password import PasswordStage
from ostiary.flows.stages.prompt import Prompt, PromptStage
from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.flows.resources import Stage
    from ostiary.store.configuration.snapshot import Snapshot


@dataclass(frozen=True, kw_only=True)
class ReauthenticationStage(PasswordStage):
    """Asks whoever is signed in for their password."""

    COMPONENT: ClassVar[str] = PasswordStage.COMPONENT

    async def open(self, stage_context: StageContext) -> Verdict:
        """Ask, and say which password is meant."""
        verdict = await PasswordStage.open(self, stage_context)
        return Ask({**verdict.fields, "reauthenticate": True}) if isinstance(verdict, Ask) else verdict


STAGES: Final[Mapping[str, Stage]] = {
    REAUTHENTICATE: ReauthenticationStage(pk=REAUTHENTICATE, name="reauthentication", backends=(INBUILT,)),
}
"""Steps of this room that nobody sets up."""


def sets_password(stages: Iterable[str], snapshot: Snapshot) -> bool:
    """Tell whether one of these stages asks for a new password."""
    asked = [found for pk in stages if (found := snapshot.get(PromptStage, pk)) is not None]
    prompts = (snapshot.get(Prompt, field) for stage in asked for field in stage.fields)
    return any(prompt is not None and prompt.type == "password" for prompt in prompts)
