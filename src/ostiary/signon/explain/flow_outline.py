"""The outline of a flow: its stages in order, the policies that decide about each, and where each can lead."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Final

from ostiary.flows.resources import STAGE, Flow
from ostiary.flows.run.planner import bindings_of
from ostiary.policies.resources import POLICY, PolicyBinding
from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.directory.group_tree import GroupTree
    from ostiary.flows.resources import FlowStageBinding
    from ostiary.resource import Resource
    from ostiary.store.configuration.snapshot import Snapshot

_FLOW: Final = "authentik_flows.flow"
_REQUIREMENTS: Final = {
    "none": "for everybody",
    "require_authenticated": "for people who are signed in",
    "require_unauthenticated": "for people who are not signed in",
    "require_superuser": "for superusers who are signed in",
    "require_redirect": "only from another flow",
    "require_outpost": "only for outposts",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlinedStage:
    """A stage in its place. `conditions` are its policies in words, `exits` where it can lead beside the next stage."""

    order: int
    name: str
    kind: str
    conditions: tuple[str, ...]
    exits: tuple[str, ...]

    def data(self) -> dict[str, object]:
        """Return JSON data."""
        return {
            "order": self.order,
            "stage": self.name,
            "kind": self.kind,
            "conditions": list(self.conditions),
            "exits": list(self.exits),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowOutline:
    """A flow with its stages."""

    slug: str
    name: str
    designation: str
    requirement: str
    conditions: tuple[str, ...]
    stages: tuple[OutlinedStage, ...]

    def data(self) -> dict[str, object]:
        """Return JSON data."""
        return {
            "flow": self.slug,
            "name": self.name,
            "designation": self.designation,
            "requirement": self.requirement,
            "conditions": list(self.conditions),
            "stages": [stage.data() for stage in self.stages],
        }

    def lines(self) -> Iterator[str]:
        """Yield the same in words."""
        yield f"Flow {self.slug}: {self.name} ({self.designation}, {self.requirement})"
        yield from (f"  {condition}" for condition in self.conditions)
        for stage in self.stages:
            yield f"  {stage.order}: {stage.kind} {stage.name}"
            yield from (f"      {condition}" for condition in stage.conditions)
            yield from (f"      -> {way}" for way in stage.exits)
        if not self.stages:
            yield "  no stage is bound: the flow ends at once"


def outline_flow(flow: Flow, snapshot: Snapshot, groups: GroupTree) -> FlowOutline:
    """Return the outline of a flow as it is configured. `groups` have the names for conditions."""
    return FlowOutline(
        slug=flow.slug,
        name=flow.name,
        designation=flow.designation,
        requirement=_REQUIREMENTS[flow.authentication],
        conditions=tuple(_conditions(flow, snapshot, groups)),
        stages=tuple(_stage(binding, snapshot, groups) for binding in bindings_of(flow, snapshot)),
    )


def _stage(binding: FlowStageBinding, snapshot: Snapshot, groups: GroupTree) -> OutlinedStage:
    stage = snapshot.resolve(STAGE, binding.stage)
    return OutlinedStage(
        order=binding.order,
        name=str(getattr(stage, "name", binding.stage)),
        kind="a kind that is not available:" if stage is None else stage.KIND.verbose_name,
        conditions=(*_conditions(binding, snapshot, groups), *_checks(stage, snapshot)),
        exits=() if stage is None else tuple(_exits(stage, snapshot)),
    )


def _conditions(target: Flow | FlowStageBinding, snapshot: Snapshot, groups: GroupTree) -> Iterator[str]:
    bindings = [one for one in snapshot.referring(PolicyBinding, "target", str(target.pk)) if one.enabled]
    for number, binding in enumerate(sorted(bindings, key=lambda one: (one.order, str(one.pk)))):
        joined = "only if" if not number else "and" if target.policy_engine_mode == "all" else "or"
        yield f"{joined} {'not ' if binding.negate else ''}{_asked(binding, snapshot, groups)}"
    if bindings and not isinstance(target, Flow):
        when = {
            (True, True): "when the flow begins, and again at the stage",
            (True, False): "when the flow begins",
            (False, True): "at the stage",
            (False, False): "never, so the stage is always taken",
        }
        yield f"decided {when[target.evaluate_on_plan, target.re_evaluate_policies]}"


def _asked(binding: PolicyBinding, snapshot: Snapshot, groups: GroupTree) -> str:
    if binding.policy is not None:
        policy = snapshot.resolve(POLICY, binding.policy)
        return f"policy {getattr(policy, 'name', binding.policy)}"
    if binding.group is None:
        return f"user number {binding.user}"
    placed = groups.groups.get(binding.group)
    return f"a member of group {binding.group if placed is None else placed.group.name}"


def _checks(stage: Resource | None, snapshot: Snapshot) -> Iterator[str]:
    """Yield the policies that a stage asks about the answers of a form."""
    for name, item in () if stage is None else stage.KIND.fields.items():
        if item.reference is not None and item.reference.target == POLICY and item.many:
            for pk in getattr(stage, name):
                yield f"answers are checked by policy {getattr(snapshot.resolve(POLICY, pk), 'name', pk)}"


def _exits(stage: Resource, snapshot: Snapshot) -> Iterator[str]:
    """Yield the flows and stages that the fields of a stage refer to, by their fields."""
    for name, item in stage.KIND.fields.items():
        value = getattr(stage, name, None)
        if item.reference is None or not value or item.reference.target not in {_FLOW, STAGE}:
            continue
        for pk in value if isinstance(value, tuple) else (value,):
            found = snapshot.resolve(item.reference.target, pk)
            what = f"flow {found.slug}" if isinstance(found, Flow) else f"stage {getattr(found, 'name', pk)}"
            yield f"{name.replace('_', ' ')}: {what}"


_WIDTH: Final = 640  # pixels, as all here
_LINE: Final = 20
_GAP: Final = 28
_LEFT: Final = 24
_MAX_LENGTH: Final = 78  # characters of a line


def drawing(outline: FlowOutline) -> str:
    """Return the outline as an SVG picture: a box for each stage, one below the other."""
    boxes = [
        [(f"Flow {outline.slug}", "name"), (f"{outline.designation}, {outline.requirement}", "note")]
        + [(one, "condition") for one in outline.conditions]
    ]
    boxes += [
        [(f"{stage.order}  {stage.name}", "name"), (stage.kind, "note")]
        + [(one, "condition") for one in stage.conditions]
        + [(f"\N{RIGHTWARDS ARROW} {one}", "exit") for one in stage.exits]
        for stage in outline.stages
    ]
    boxes.append([("The flow ends", "name")])
    parts, top = [], _LEFT
    for number, box in enumerate(boxes):
        if number:
            parts.append(_arrow(top - _GAP, top))
        parts.append(_box(box, top))
        top += len(box) * _LINE + 16 + _GAP
    height = top - _GAP + _LEFT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}"'
        f' role="img"><title>{escape(outline.name)}</title><style>{_STYLE}</style>{"".join(parts)}</svg>\n'
    )


_STYLE: Final = (
    "text{font:14px system-ui,sans-serif;fill:#1a1a1a}.name{font-weight:600}.note{fill:#555}.condition{fill:#8a4b00}"
    ".exit{fill:#00539b}rect{fill:#fff;stroke:#888}path{stroke:#888;fill:none}"
    "@media(prefers-color-scheme:dark){text{fill:#eee}.note{fill:#aaa}.condition{fill:#f0b060}.exit{fill:#7cc4ff}"
    "rect{fill:#1e1e1e;stroke:#777}}"
)


def _box(lines: list[tuple[str, str]], top: int) -> str:
    height = len(lines) * _LINE + 16
    texts = "".join(
        f'<text class="{kind}" x="{_LEFT + 14}" y="{top + 22 + index * _LINE}">{escape(_short(text))}</text>'
        for index, (text, kind) in enumerate(lines)
    )
    return f'<rect x="{_LEFT}" y="{top}" width="{_WIDTH - 2 * _LEFT}" height="{height}" rx="6"/>{texts}'


def _arrow(begin: int, end: int) -> str:
    middle = _WIDTH // 2
    return f'<path d="M{middle} {begin}V{end - 1}m-5 -6l5 6l5 -6"/>'


def _short(text: str) -> str:
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 1] + "\N{HORIZONTAL ELLIPSIS}"
