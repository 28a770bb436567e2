"""Writes the generated parts of docs/: settings, commands, kinds, tasks, metrics, rooms, expressions, security rules.

A generated part is between `<!-- generated: NAME -->` and `<!-- end -->`; the rest is written by hand. In the tables of
security rules, the last two columns are generated. The alerts for Kubernetes are generated as well. `--check` only
lists stale pages.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import alerts
import expressions_page
import faces
import rules
from typer.main import get_command

from ostiary.app.background import jobs_of
from ostiary.app.core import Core, open_core
from ostiary.app.rooms import KINDS
from ostiary.app.serve import Process
from ostiary.cli.commands import app
from ostiary.room import MINUTE, Job, Measure
from ostiary.settings import load
from ostiary.settings.table import TABLE
from ostiary.tasks.worker import delay

ROOT: Final = Path(__file__).resolve().parent.parent
PART: Final = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> int:
    """Write the changed pages; or with --check, return 1 if a page is stale."""
    stale = False
    for path, fresh in _pages():
        if fresh != path.read_text(encoding="utf-8"):
            stale = True
            if "--check" not in sys.argv:
                path.write_text(fresh, encoding="utf-8")
            print(f"{path.relative_to(ROOT)} {'is stale' if '--check' in sys.argv else 'written'}")
    return 1 if stale and "--check" in sys.argv else 0


def _pages() -> Iterator[tuple[Path, str]]:
    """Yield each page with the text it should have."""
    for name in ("settings", "commands", "kinds", "tasks", "metrics", "rooms", "expressions", "security-rules"):
        path = ROOT / "docs" / f"{name}.md"
        text = path.read_text(encoding="utf-8")
        yield path, rules.fill(text, ROOT) if name == "security-rules" else render(text)
    yield ROOT / alerts.COMPONENT, alerts.component(ROOT)


def render(text: str) -> str:
    """Return a page with its generated parts."""
    parts = {
        "settings": settings_table,
        "commands": commands_text,
        "kinds": kinds_text,
        "tasks": tasks_table,
        "metrics": metrics_table,
        "rooms": rooms_text,
        "expression_variables": expressions_page.variables_table,
        "expression_functions": expressions_page.functions_table,
        "expression_objects": expressions_page.objects_table,
        "expression_modules": expressions_page.modules_table,
        "expression_python": expressions_page.python_text,
        "expression_shares": expressions_page.shares_text,
    }
    return PART.sub(lambda match: f"{match[1]}\n{parts[match[2]]()}\n{match[3]}", text)


def settings_table() -> str:
    """Return the table of settings."""
    lines = ["| variable | authentik's name | default | meaning |", "|---|---|---|---|"]
    for setting in TABLE:
        default = f"`{setting.default}`" if setting.default else "not set"
        alias = f"`{setting.alias_variable}`" if setting.alias_variable else "no"
        lines.append(f"| `{setting.variable}` | {alias} | {default} | {setting.help} |")
    return "\n".join(lines) + "\n"


def kinds_text() -> str:
    """Return a table of kinds for each family, and one for kinds without a family."""
    families: dict[str, list[str]] = {}
    for model in KINDS:
        item = model.KIND
        file = f"`{model.__module__.removeprefix('ostiary.').replace('.', '/')}.py`"
        row = f"| {item.verbose_name} | `{item.name}` | {item.plane.value} | {file} |"
        for family in item.families or ("",):
            families.setdefault(family, []).append(row)
    lines = []
    for family in sorted(families):
        lines += [f"## `{family}`" if family else "## Without a family", "", "| kind | model | plane | defined in |"]
        lines += ["|---|---|---|---|", *sorted(families[family]), ""]
    return "\n".join(lines)


def tasks_table() -> str:
    """Return the table of the jobs of all rooms."""
    rows = [
        f"| `{job.name}` | {_duration(job.schedule) if job.schedule else 'on demand'} | {job.summary} |"
        f" {_duration(job.limit)} | {_retries(job)} |"
        for job in sorted(asyncio.run(_jobs()), key=lambda job: job.name)
    ]
    lines = ["| task | every | description | time limit | attempts |", "|---|---|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


async def _jobs() -> list[Job]:
    """Return the jobs of a new installation."""
    async with _installation() as core:
        return list(jobs_of(core))


def metrics_table() -> str:
    """Return the table of metrics."""
    lines = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for measure in sorted(asyncio.run(_measures()), key=lambda measure: measure.name):
        name = f"{measure.name}_total" if measure.kind == "counter" else measure.name
        labels = ", ".join(f"`{label}`" for label in measure.labels)
        lines.append(f"| `{name}` | {measure.kind} | {labels} | {measure.summary} |")
    return "\n".join(lines) + "\n"


async def _measures() -> list[Measure]:
    """Return the measures of a process that serves requests and runs tasks."""
    async with _installation() as core:
        return list(Process(core, site=True, worker=True).metrics.measures)


@contextlib.asynccontextmanager
async def _installation() -> AsyncIterator[Core]:
    """Create an installation for the duration of the context."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {
            "OSTIARY_DATA_DIR": folder,
            "OSTIARY_SECRET_KEY": "k" * 40,
            "OSTIARY_BLUEPRINTS_DIR": folder,
            "OSTIARY_IMAGE_DIGEST": f"sha256:{'0' * 64}",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318",  # for the metrics of traces; nothing is sent
        }
        core = await open_core(load(environ, default_file=None), environ={}, serving=True, create=True)
        try:
            yield core
        finally:
            await core.close()


def _retries(job: Job) -> str:
    longest = sum(delay(attempt, 1.0) for attempt in range(1, job.attempts))
    return f"{job.attempts} times, within {_duration(longest)}"


def _duration(microseconds: int) -> str:
    """Return a duration in minutes, rounded up, or in hours from two hours on."""
    minutes = -(-microseconds // MINUTE)
    number, unit = (minutes, "min") if minutes < 120 else (round(minutes / 60), "h")  # noqa: PLR2004 - two hours
    return f"{number} {unit}"


def rooms_text() -> str:
    """Return a table of public modules for each room."""
    packages = faces.read_packages(ROOT / "src")
    lines = []
    for room in sorted({faces.room_of(name) for name in packages} & packages.keys()):
        own = [name for name in packages[room].exports if name not in packages[room].modules]
        lines += [f"## `{room.removeprefix('ostiary.')}`", "", faces.summary(ROOT / "src", room), ""]
        lines += [f"The package itself exports {', '.join(f'`{name}`' for name in own)}.", ""] if own else []
        rows = [
            f"| `{name.removeprefix(f'{room}.')}` | {faces.summary(ROOT / 'src', name)} |"
            for name in faces.public_modules(room, packages)
        ]
        lines += ["| public module | |", "|---|---|", *rows, ""] if rows else []
    return "\n".join(lines)


def commands_text() -> str:
    """Return a section for each command."""
    return "\n".join(_sections(get_command(app), "ostiary"))


def _sections(command: Any, name: str) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if inner is not None:
        for word, one in inner.items():
            yield from _sections(one, f"{name} {word}")
        return
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and "--help" not in one.opts]
    words = "".join(f" {one.name.upper()}{'...' if one.nargs == -1 else ''}" for one in arguments)
    yield f"### `{name}{words}`\n"
    yield f"{' '.join((command.help or '').split())}\n"
    if options:
        yield "| option | |\n|---|---|"
        yield from (f"| `{' '.join(one.opts)}{_value(one)}` | {one.help} |" for one in options)
        yield ""


def _value(option: Any) -> str:
    return "" if option.is_flag else f" {option.name.upper()}"


if __name__ == "__main__":
    sys.exit(main())
