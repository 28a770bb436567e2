"""The documentation: generated parts are fresh, everything it mentions exists, and it is complete."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
import tomllib
from pathlib import Path, PurePath

import pytest
import yaml

from ostiary.settings.table import TABLE

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "changes").glob("*.md")])
HOW_TO = sorted((ROOT / "docs" / "how-to").glob("*.md"))
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)(?:#[^)]*)?\)")
VARIABLE = re.compile(r"\bOSTIARY_[A-Z0-9_]*[A-Z0-9]\b")


@functools.cache
def tracked() -> list[str]:
    """Return every file of the repository, including uncommitted ones."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [path for path in listed if (ROOT / path).exists()]


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_generated_parts_are_fresh() -> None:
    done = subprocess.run([sys.executable, "scripts/docs.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nrun: make docs"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    missing = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_documented_settings_exist(page: Path) -> None:
    known = {setting.variable for setting in TABLE} | {"OSTIARY_CONFIG"}
    text = page.read_text()
    mentioned = {name for name in VARIABLE.findall(text) if f"{name}_" not in text or name in known}
    assert mentioned <= known


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page not in HOW_TO], ids=named
)  # they mention files of other programs
def test_mentioned_files_exist(page: Path) -> None:
    names = re.findall(r"`([\w./*-]+\.(?:py|toml|sh|nix|css|js|html|po))`", page.read_text())
    assert [name for name in names if not any(PurePath(path).match(name.lstrip("/")) for path in tracked())] == []


def test_modules_of_the_architecture_page_exist() -> None:
    source = ROOT / "src" / "ostiary"
    names = re.findall(r"`([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+)`", (ROOT / "docs" / "architecture.md").read_text())
    modules = [source.joinpath(*name.split(".")) for name in names if (source / name.partition(".")[0]).is_dir()]
    assert len(modules) > 10
    assert [str(path) for path in modules if not path.is_dir() and not path.with_suffix(".py").is_file()] == []


DEVELOP = sorted((ROOT / "docs" / "develop").glob("*.md"))


@pytest.mark.parametrize("page", DEVELOP, ids=named)
def test_code_on_developer_pages_is_tested_code(page: Path) -> None:
    text = page.read_text()
    examples = {link for link in LINK.findall(text) if link.endswith(".py")}
    assert examples
    tested = {line.strip() for example in examples for line in (page.parent / example).read_text().splitlines()}
    shown = [
        line.strip() for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) for line in block.splitlines()
    ]
    assert [line for line in shown if line not in tested] == []


def test_every_cited_rule_is_documented() -> None:
    sys.path.insert(0, str(ROOT / "scripts"))
    import rules

    page = set(re.findall(r"^\| (A\d\d) \|", (ROOT / "docs" / "security-rules.md").read_text(), re.MULTILINE))
    assert rules.cited(ROOT) - page == set()
    assert page == {f"A{number:02}" for number in range(1, len(page) + 1)}


def test_every_mutant_s_rule_has_a_test() -> None:
    sys.path.insert(0, str(ROOT / "scripts"))
    import rules

    assert set(rules.mutants_of(ROOT)) - set(rules.tests_of(ROOT)) == set()


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    assert [setting.variable for setting in TABLE if f"`{setting.variable}`" not in text] == []


@pytest.mark.parametrize("page", HOW_TO, ids=named)
def test_a_how_to_page_has_its_front_matter(page: Path) -> None:
    _, front, body = page.read_text().split("---\n", 2)
    matter = yaml.safe_load(front)
    assert list(matter) == ["title", "modified", "requires", "status", "tags"]
    assert body.lstrip().startswith(f"# {matter['title']}\n")
    assert isinstance(matter["requires"], list)
    assert all((page.parent / f"{name}.md").exists() for name in matter["requires"])


def test_pages_form_a_connected_graph() -> None:
    from ostiary_delivery.graph.pages import check

    assert check(ROOT) == []


def test_requirements_of_how_to_pages_have_no_cycle() -> None:
    needs = {page.stem: yaml.safe_load(page.read_text().split("---\n", 2)[1])["requires"] for page in HOW_TO}
    done: set[str] = set()
    while len(done) < len(needs):
        ready = {name for name, required in needs.items() if name not in done and set(required) <= done}
        assert ready, f"a cycle among {sorted(set(needs) - done)}"
        done |= ready


@pytest.mark.parametrize("page", HOW_TO, ids=named)
def test_blueprints_of_how_to_pages_are_valid(page: Path) -> None:
    from ostiary.blueprints.text.wrapper import read_file

    for number, block in enumerate(re.findall(r"```yaml\n(version: 1.*?)```", page.read_text(), re.DOTALL)):
        loaded = read_file(block.encode(), path=f"{page.name}#{number}")
        assert not loaded.errors
        assert len(loaded.blueprints) == 1


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    declared = {
        re.split(r"[\[<>=~;! ]", item, maxsplit=1)[0]
        for item in [*project["project"]["dependencies"], *(item for group in groups.values() for item in group)]
    }
    text = (ROOT / "docs" / "dependencies.md").read_text()
    listed = {name.strip() for row in re.findall(r"^\| ([a-z].*?) \|", text, re.MULTILINE) for name in row.split(",")}
    listed -= {"package"}
    assert listed == declared


def test_every_task_has_a_description() -> None:
    rows = re.findall(r"^\| `[\w.]+` \|.*$", (ROOT / "docs" / "tasks.md").read_text(), re.MULTILINE)
    summaries = [row.split(" | ")[2] for row in rows]
    assert len(summaries) == len(set(summaries)) >= 5
    assert all(len(text.split()) > 4 and not text.endswith(".") for text in summaries)


def test_every_make_target_is_in_the_vocabulary() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)) - {"help", "clean"}
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert [target for target in sorted(targets) if f"`make {target}`" not in text] == []


def test_fragments_of_changes_are_named_by_their_kind() -> None:
    names = [page.name for page in (ROOT / "changes").glob("*.md") if page.name != "README.md"]
    assert all(re.fullmatch(r"[a-z0-9-]+\.(added|changed|fixed|security)\.md", name) for name in names)


def test_rooms_of_the_code_are_rooms_of_the_architecture_page() -> None:
    rooms = {path.parent.name for path in (ROOT / "src" / "ostiary").glob("*/__init__.py")}
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert [room for room in sorted(rooms) if not re.search(rf"\b{room}\b", text)] == []
