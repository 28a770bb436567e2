"""What this room gives to the application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ostiary.flows import consents, tables
from ostiary.flows.authenticators.static.stage import AuthenticatorStaticStage
from ostiary.flows.authenticators.totp.stage import AuthenticatorTOTPStage
from ostiary.flows.engine import FlowEngine, plans_end, plans_move, proofs_end
from ostiary.flows.plans import repository
from ostiary.flows.resources import Flow, FlowStageBinding, Stage
from ostiary.flows.routes import routes as flow_routes
from ostiary.flows.stages.authenticator_validate import AuthenticatorValidateStage
from ostiary.flows.stages.consent import ConsentStage
from ostiary.flows.stages.deny import DenyStage
from ostiary.flows.stages.identification import IdentificationStage
from ostiary.flows.stages.password import PasswordStage
from ostiary.flows.stages.prompt import Prompt, PromptStage
from ostiary.flows.stages.redirect import RedirectStage
from ostiary.flows.stages.user_login import UserLoginStage
from ostiary.flows.stages.user_logout import UserLogoutStage
from ostiary.flows.stages.user_write import UserWriteStage
from ostiary.room import Room
from ostiary.sessions.sessions import Hooks, Sessions
from ostiary.store.configuration.plane import ConfigPlane

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry
    from ostiary.web.router import Route

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
    RedirectStage,
)


def hooks(_services: ServiceRegistry) -> tuple[Hooks]:
    """Return what moves and ends plans with their session."""
    return (Hooks(on_move=[plans_move], on_end=[plans_end], on_close=[proofs_end]),)


def routes(services: ServiceRegistry) -> Sequence[Route]:
    """Return the JSON executor, and the addresses that lead into flows."""
    return flow_routes(services[FlowEngine], services[Sessions], services[ConfigPlane], services.clock)


ROOM: Final = Room(
    name="flows",
    kinds=(Flow, FlowStageBinding, Prompt, *STAGES),
    migrations=tables.MIGRATIONS,
    sweeps=(repository.sweep_plans, repository.sweep_proofs, consents.sweep),
    hooks=hooks,
    routes=routes,
)
