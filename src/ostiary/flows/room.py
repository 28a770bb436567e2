"""What the application collects from this room."""

from __future__ import annotations

from typing import Final

from ostiary.flows import consents, tables
from ostiary.flows.engine import plans_end, plans_move, proofs_end
from ostiary.flows.plans import repository
from ostiary.flows.resources import Flow, FlowStageBinding, Stage
from ostiary.flows.routes import routes
from ostiary.flows.stages.authenticator_static import AuthenticatorStaticStage
from ostiary.flows.stages.authenticator_totp import AuthenticatorTOTPStage
from ostiary.flows.stages.authenticator_validate import AuthenticatorValidateStage
from ostiary.flows.stages.consent import ConsentStage
from ostiary.flows.stages.deny import DenyStage
from ostiary.flows.stages.identification import IdentificationStage
from ostiary.flows.stages.password import PasswordStage
from ostiary.flows.stages.prompt import Prompt, PromptStage
from ostiary.flows.stages.user_login import UserLoginStage
from ostiary.flows.stages.user_logout import UserLogoutStage
from ostiary.flows.stages.user_write import UserWriteStage
from ostiary.resource import Resource

STAGES: Final[tuple[type[Stage], ...]] = (
    IdentificationStage,
    PasswordStage,
    AuthenticatorValidateStage,
    AuthenticatorTOTPStage,
    AuthenticatorStaticStage,
    UserLoginStage,
    UserLogoutStage,
    UserWriteStage,
    PromptStage,
    ConsentStage,
    DenyStage,
)

KINDS: Final[tuple[type[Resource], ...]] = (Flow, FlowStageBinding, Prompt, *STAGES)

MIGRATIONS: Final = tables.MIGRATIONS
SWEEPS: Final = (repository.sweep_plans, repository.sweep_proofs, consents.sweep)
ON_MOVE: Final = plans_move  # for sessions.gate.Hooks
ON_END: Final = plans_end
ON_CLOSE: Final = proofs_end

__all__ = ["KINDS", "MIGRATIONS", "ON_CLOSE", "ON_END", "ON_MOVE", "STAGES", "SWEEPS", "routes"]
