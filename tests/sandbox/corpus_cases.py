"""The cases of `corpus/`: expressions with who asks, and what must come of it.

A case has runs; what stands beside `runs` counts for each of them. A run says who asks (`user`), from where (`ip`,
`http`), in which flow (`flow`, its plan's context), with what (`context`, `names`), and what is expected: `returns`,
`raises`, `messages`, `plan`, `without`, `redirect`, `events`, `mails`, `log`, `after`. Things of the house (`world.yaml`)
are named by tags: `!user nora`. `from` tells what a case is made after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import yaml

FOLDER: Final = Path(__file__).parent / "corpus"
WORLD: Final = "world.yaml"
NOT_RUNNING: Final = "does-not-run.yaml"
GIVEN: Final = frozenset(
    {"kind", "user", "ip", "http", "flow", "context", "names", "source", "prompt_context", "clock"}
)
EXPECTED: Final = frozenset(
    {
        "returns",
        "raises",
        "falsy",
        "sorted",
        "messages",
        "plan",
        "without",
        "redirect",
        "events",
        "mails",
        "log",
        "after",
    }
)


@dataclass(frozen=True)
class Ref:
    """A thing of the house: a user, a group... `values` are those of things that are made on the spot."""

    kind: str
    name: str = ""
    values: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Run:
    """One run of an expression. `case` is the file and the name of its case, `number` counts its runs from 1."""

    case: str
    origin: str
    number: int
    kind: str
    expression: str
    given: Mapping[str, Any]
    expected: Mapping[str, Any]


@dataclass
class Outcome:
    """What came of a run: a value or an exception's name, and what was done."""

    returned: Any = None
    raised: str | None = None
    messages: list[str] = field(default_factory=list)
    plan: dict[str, Any] | None = None
    events: list[list[Any]] = field(default_factory=list)
    mails: list[dict[str, Any]] = field(default_factory=list)
    log: list[list[str]] = field(default_factory=list)
    after: dict[str, Any] = field(default_factory=dict)


class _Loader(yaml.SafeLoader):
    """YAML with things of the house."""


def _reference(loader: yaml.SafeLoader, kind: str, node: yaml.Node) -> Ref:
    if isinstance(node, yaml.MappingNode):
        return Ref(kind, values={str(key): item for key, item in loader.construct_mapping(node, deep=True).items()})
    assert isinstance(node, yaml.ScalarNode)
    return Ref(kind, str(loader.construct_scalar(node)))


_Loader.add_multi_constructor("!", _reference)


def world() -> dict[str, Any]:
    """Return the house."""
    return load(FOLDER / WORLD)


def load(path: Path) -> dict[str, Any]:
    """Read one file."""
    data = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506 - a safe loader with tags of our own
    assert isinstance(data, dict)
    return data


def runs() -> Iterator[Run]:
    """Yield every run of every case."""
    for path in sorted(FOLDER.glob("*.yaml")):
        if path.name in {WORLD, NOT_RUNNING}:
            continue
        file = load(path)
        assert set(file) <= {"cases", "defaults", "from"}, path
        defaults = file.get("defaults", {})
        for case in file["cases"]:
            shared = {key: value for key, value in case.items() if key not in {"name", "expression", "runs", "from"}}
            for number, run in enumerate(case["runs"], 1):
                every = {**defaults, **shared, **run}
                strange = set(every) - GIVEN - EXPECTED
                assert not strange, f"{path.name}: {case['name']}: {strange}"
                yield Run(
                    case=f"{path.stem}: {case['name']}",
                    origin=case.get("from") or file["from"],
                    number=number,
                    kind=every.get("kind", "policy"),
                    expression=case["expression"],
                    given={key: every[key] for key in every if key in GIVEN},
                    expected={key: every[key] for key in every if key in EXPECTED},
                )


def not_running() -> dict[str, str]:
    """Return the cases that do not run in the sandbox as they do in Python, with the reasons."""
    return {str(case): str(reason) for case, reason in load(FOLDER / NOT_RUNNING).items()}


def differences(run: Run, outcome: Outcome) -> list[str]:
    """Say in which points an outcome is not what a run expects."""
    expected, found = run.expected, []

    def compare(what: str, wanted: Any, got: Any) -> None:
        if wanted != got or isinstance(wanted, bool) != isinstance(got, bool):
            found.append(f"{what}: {got!r} in place of {wanted!r}")

    if "raises" in expected or outcome.raised:
        compare("raises", expected.get("raises"), outcome.raised)
    elif expected.get("falsy"):
        compare("truth", False, bool(outcome.returned))
    else:
        compare("returns", expected["returns"], in_order(outcome.returned, expected.get("sorted", ())))
    for name in ("messages", "events", "log", "after"):
        if name in expected:
            compare(name, expected[name], getattr(outcome, name))
    if "mails" in expected:
        nothing: Mapping[str, object] = {}
        pairs = zip_longest(expected["mails"], outcome.mails, fillvalue=nothing)
        compare("mails", expected["mails"], [{key: mail.get(key) for key in want} for want, mail in pairs])
    plan = outcome.plan or {}
    for key, value in expected.get("plan", {}).items():
        compare(f"plan's {key}", value, plan.get(key))
    for key in expected.get("without", ()):
        compare(f"{key} in the plan", False, key in plan)
    if "redirect" in expected:
        compare("redirect", expected["redirect"], plan.get("redirect"))
    return found


def in_order(value: Any, names: Any) -> Any:
    """Return a value whose lists of no order are sorted: those of the names, or the value itself for True."""
    if names is True:
        return sorted(value)
    if isinstance(value, dict):
        return {key: sorted(item) if key in names else item for key, item in value.items()}
    return value
