"""The state of one run: its request, flow, plan and current stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ostiary.flows.interface.stage_context import PLAIN_FLOW, FlowBehaviour, StageContext
from ostiary.flows.plans.destination import next_path
from ostiary.flows.resources import STAGE, Flow, FlowStageBinding, Stage
from ostiary.policies.decide import has_bindings
from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.flows.plans.plan import Plan, PlanStep
    from ostiary.flows.run.flow_commit import FlowCommit
    from ostiary.flows.services import Services
    from ostiary.sessions.session import Session
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.web.request import Request


@dataclass(frozen=True, slots=True)
class OwnStages:
    """Stages and behaviours that are not configurable: stages by name, behaviours by the slug of their flow."""

    stages: Mapping[str, Stage] = field(default_factory=dict)
    behaviours: Mapping[str, FlowBehaviour] = field(default_factory=dict)


class RunState:
    """The state of one run. Plan and session belong to `commit`, which changes them."""

    def __init__(
        self,
        services: Services,
        extensions: OwnStages,
        commit: FlowCommit,
        *,
        request: Request,
        flow: Flow,
        query: str,
        now: int,
    ) -> None:
        self.services = services
        self.snapshot: Snapshot = services.plane.snapshot
        self.commit = commit
        self.request = request
        self.flow = flow
        self.query = query
        self.now = now
        self.behaviour = extensions.behaviours.get(flow.slug, PLAIN_FLOW)
        self._stages = extensions.stages

    @property
    def plan(self) -> Plan:
        """The current plan, stored or not."""
        return self.commit.plan

    @property
    def session(self) -> Session:
        """The current session. A stage may have started or ended it."""
        return self.commit.session

    @property
    def home(self) -> str:
        """The path of our start page."""
        return self.request.prefix + "/"

    @property
    def following(self) -> str | None:
        """The requested path to redirect to at the end, if any."""
        return next_path(self.plan, self.query)

    @property
    def step(self) -> PlanStep | None:
        """The current step, None at the end."""
        return self.plan.steps[0] if self.plan.steps else None

    def stage(self) -> Stage | None:
        """Return the current stage; None at the end, or if the stage was deleted."""
        step = self.step
        if step is None:
            return None
        if step.binding is None and step.stage in self._stages:
            return self._stages[step.stage]
        if step.binding is not None and self.snapshot.get(FlowStageBinding, step.binding) is None:
            return None
        stage = self.snapshot.resolve(STAGE, step.stage)
        return stage if isinstance(stage, Stage) else None

    def invalid_response_action(self) -> str:
        """Return the `invalid_response_action` of the current stage binding."""
        step = self.step
        binding = self.snapshot.get(FlowStageBinding, step.binding) if step and step.binding else None
        return binding.invalid_response_action if binding is not None else "retry"

    def stage_context(self) -> StageContext:
        """Return the context of the current stage."""
        step = self.step
        return StageContext(
            flow=self.flow,
            snapshot=self.snapshot,
            request=self.request,
            session=self.session,
            services=self.services,
            now=self.now,
            query=self.query,
            context=self.plan.context,
            scratch=self.plan.scratch,
            proof=self.plan.proof,
            plan=self.plan,
            behaviour=self.behaviour,
            bound=step is not None and step.binding is not None and has_bindings(step.binding, self.snapshot),
        )
