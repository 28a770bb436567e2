"""The flow, the flow-stage binding, and the base of all stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

from ostiary.flows.challenge_page import UNKNOWN_PAGE, ChallengePage
from ostiary.record import dataclass
from ostiary.resource import SLUG, UNIQUE, Help, Length, OnDelete, Range, Reference, Resource, kind

if TYPE_CHECKING:
    from ostiary.store.configuration.snapshot import Snapshot

STAGE: Final = "authentik_flows.stage"
_BINDABLE: Final = "authentik_policies.policybindingmodel"

Designation = Literal[
    "authentication",
    "authorization",
    "invalidation",
    "enrollment",
    "unenrollment",
    "recovery",
    "stage_configuration",
]
Layout = Literal[
    "stacked",
    "content_left",
    "content_right",
    "sidebar_left",
    "sidebar_right",
    "sidebar_left_frame_background",
    "sidebar_right_frame_background",
]
Requirement = Literal[
    "none",
    "require_authenticated",
    "require_unauthenticated",
    "require_superuser",
    "require_redirect",
    "require_outpost",
]


@kind(
    "authentik_flows.flow",
    verbose_name="Flow",
    component="ak-flow-form",
    routes="flows/instances",
    families=(_BINDABLE,),
    lookup_field="slug",
)
class Flow(Resource):
    """An ordered list of stages with one purpose."""

    name: Annotated[str, Length(least=1)]
    slug: Annotated[str, UNIQUE, SLUG, Length(least=1)]
    title: Annotated[str, Help("Heading of every page; %(app)s and %(user)s are filled in.")]
    designation: Designation
    background: str = ""
    policy_engine_mode: Literal["all", "any"] = "any"
    compatibility_mode: bool = False
    layout: Layout = "stacked"
    denied_action: Literal["message_continue", "message", "continue"] = "message_continue"
    authentication: Annotated[Requirement, Help("Who may start the flow at all.")] = "none"


@kind(
    "authentik_flows.flowstagebinding",
    verbose_name="Flow Stage Binding",
    component="ak-stage-binding-form",
    routes="flows/bindings",
    families=(_BINDABLE,),
    unique_together=(("target", "stage", "order"),),
    label_field="order",
)
class FlowStageBinding(Resource):
    """The binding of a stage to a flow, at its order."""

    target: Annotated[str, Reference("authentik_flows.flow", OnDelete.CASCADE)]
    stage: Annotated[str, Reference(STAGE, OnDelete.CASCADE)]
    evaluate_on_plan: bool = False
    re_evaluate_policies: bool = True
    order: Annotated[int, Range(-(2**31), 2**31 - 1)]
    policy_engine_mode: Literal["all", "any"] = "any"
    invalid_response_action: Literal["retry", "restart", "restart_with_context"] = "retry"


@dataclass(frozen=True, kw_only=True)
class Stage(Resource):
    """One step of a flow. Each kind adds its fields, and its behaviour (`flows.interface.stage_context.Behaviour`)."""

    COMPONENT: ClassVar[str]  # the challenge the stage shows
    PAGE: ClassVar[ChallengePage] = UNKNOWN_PAGE  # how a browser shows it
    GUARD: ClassVar[bool] = False
    """The stage can only deny, never let somebody in or change anything: if the policies of its binding cannot be
    evaluated, it is taken. With any other stage the flow is denied then, see `planner.fate_of`."""
    OWN_REQUEST: ClassVar[bool] = False
    """The stage is opened by the request that shows it, never behind the form of another stage."""
    name: Annotated[str, UNIQUE, Length(least=1)]

    def sets_password(self, snapshot: Snapshot) -> bool:
        """Return whether the stage asks for a new password."""
        del snapshot
        return False


@dataclass(frozen=True, kw_only=True)
class ConfigurableStage(Stage):
    """A stage that users can also run on its own, through `configure_flow`."""

    configure_flow: Annotated[str | None, Reference("authentik_flows.flow", OnDelete.SET_NULL)] = None
