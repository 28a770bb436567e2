"""The structure checks of `make check`: import cycles, faces of rooms, and the size of folders."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import circles
import faces
import silence
import sizes


def test_a_cycle_is_found_among_other_modules() -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": {"d", "leaf"}, "d": {"b"}, "leaf": set(), "top": {"a"}}
    assert list(circles.circles(imports)) == [["b", "c", "d", "b"]]


def test_two_cycles_are_found() -> None:
    imports = {"a": {"b"}, "b": {"a"}, "c": {"d", "a"}, "d": {"c"}}
    assert sorted(circle[0] for circle in circles.circles(imports)) == ["a", "c"]


def test_without_a_cycle_nothing_is_reported() -> None:
    assert list(circles.circles({"a": {"b", "c"}, "b": {"c"}, "c": set()})) == []


def test_a_folder_with_too_many_modules_is_reported(tmp_path: Path) -> None:
    for number in range(sizes.MAX_MODULES + 1):
        (tmp_path / f"m{number}.py").write_text("")
    assert list(sizes.crowded(tmp_path)) == [f"{tmp_path}: {sizes.MAX_MODULES + 1} modules, the limit is 16"]
    (tmp_path / "m0.py").unlink()
    assert list(sizes.crowded(tmp_path)) == []


def package(*modules: str, exports: tuple[str, ...] = ()) -> faces.Package:
    return faces.Package(frozenset(modules), exports)


HOUSE = {
    "ostiary.store": package("database", "inserts", "workspace", exports=("database", "workspace")),
    "ostiary.store.workspace": package("editor", "pending", exports=("editor", "Problem")),
    "ostiary.providers": package("oauth2", "saml"),
    "ostiary.providers.oauth2": package("token", "room", exports=("room",)),
    "ostiary.providers.saml": package("room"),
}


@pytest.mark.parametrize("module", ["ostiary.store", "ostiary.store.database", "ostiary.store.workspace.editor"])
def test_a_public_module_is_open_to_other_rooms(module: str) -> None:
    assert list(faces.intrusions({"ostiary.tasks.worker": {module}}, HOUSE)) == []


@pytest.mark.parametrize(
    ("module", "at"),
    [
        ("ostiary.store.inserts", "ostiary.store"),
        ("ostiary.store.workspace.pending", "ostiary.store.workspace"),
        ("ostiary.providers.oauth2.token", "ostiary.providers.oauth2"),
    ],
)
def test_an_inner_module_is_closed_to_other_rooms(module: str, at: str) -> None:
    for importer in ("ostiary.tasks.worker", "ostiary.providers.saml.room", "tests/plugins/garden"):
        (line,) = faces.intrusions({importer: {module}}, HOUSE)
        assert line == f"{importer} imports {module}, which is not public: see the __all__ of {at}"


def test_inside_a_room_any_module_may_be_imported() -> None:
    imports = {
        "ostiary.store.database": {"ostiary.store.inserts", "ostiary.store.workspace.pending"},
        "ostiary.providers.oauth2.room": {"ostiary.providers.oauth2.token"},
    }
    assert list(faces.intrusions(imports, HOUSE)) == []


def test_an_unused_public_module_is_reported() -> None:
    imports = {
        "ostiary.store.inserts": {"ostiary.store.database"},  # an import from its own room does not count
        "ostiary.tasks.worker": {"ostiary.store.workspace.editor", "ostiary.providers.oauth2.room"},
    }
    assert list(faces.leftovers(imports, HOUSE)) == [
        "the __all__ of ostiary.store contains database, which no other room imports"
    ]


def test_faces_are_read_from_all(tmp_path: Path) -> None:
    room = tmp_path / "ostiary" / "garden"
    (room / "beds").mkdir(parents=True)
    (tmp_path / "ostiary" / "__init__.py").write_text("")
    (room / "__init__.py").write_text('"""A garden."""\n\n__all__ = ["Gate", "beds", "paths"]\n')
    (room / "paths.py").write_text('"""Paths.\n\nAll of gravel."""\n')
    (room / "beds" / "__init__.py").write_text('"""Beds."""\n\n__all__ = ["roses"]\n')
    (room / "beds" / "roses.py").write_text("from ostiary.garden import Gate, paths\nfrom os import path\n")
    packages = faces.read_packages(tmp_path)
    assert list(packages) == ["ostiary.garden", "ostiary.garden.beds"]
    assert list(faces.public_modules("ostiary.garden", packages)) == [
        "ostiary.garden.beds.roses",
        "ostiary.garden.paths",
    ]
    assert faces.summary(tmp_path, "ostiary.garden") == "A garden."
    assert faces.summary(tmp_path, "ostiary.garden.paths") == "Paths."
    assert faces.read_imports(room, packages) == {"ostiary.garden", "ostiary.garden.paths"}


def test_class_names_are_unique_among_rooms(tmp_path: Path) -> None:
    for name, classes in {
        "store/a": "Job",
        "store/b": "Job",
        "tasks/c": "Job",
        "web/d": "_Private",
        "tasks/e": "_Private",
    }.items():
        path = tmp_path / "ostiary" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"class {classes}: ...\n")
    assert list(faces.twins(tmp_path)) == ["there is a class Job in ostiary.store.a and ostiary.tasks.c"]
    assert list(faces.twins(Path(__file__).parents[2] / "src")) == []


SILENCES = """
def silent():
    try: work()
    except Exception: return None
def bare():
    try: work()
    except: pass
async def logged():
    try: work()
    except Exception: log.exception("it failed")
def raised():
    try: work()
    except BaseException:
        undo()
        raise
def handed_on():
    try: work()
    except (ValueError, Exception) as error: job.fail(error)
def unused():
    try: work()
    except Exception as error: job.fail()
def named():
    try: work()
    except KeyError: return None
"""


def test_a_swallowed_error_is_found() -> None:
    assert list(silence.of_module(ast.parse(SILENCES))) == ["silent", "bare", "unused"]


def test_no_error_is_swallowed_silently() -> None:
    raises_later = {"store/postgresql/writer.py:_inserts"}
    assert silence.silent(Path(__file__).parents[2] / "src/ostiary") == raises_later


def test_a_function_of_another_room_has_a_name_of_its_own(tmp_path: Path) -> None:
    for name, text in {
        "store/rows": "def drop(): ...\ndef keep(): ...\ndef _own(): ...\n",
        "tasks/queue": "from ostiary.store.rows import drop\ndef drop(): ...\ndef keep(): ...\ndef _own(): ...\n",
        "cli/drop": "def drop(): ...\n",
        "tasks/room": "def drop(): ...\n",
    }.items():
        path = tmp_path / "ostiary" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert list(faces.function_twins(tmp_path)) == [
        "there is a function drop in ostiary.store.rows and ostiary.tasks.queue"
    ]
    assert list(faces.function_twins(Path(__file__).parents[2] / "src")) == []
