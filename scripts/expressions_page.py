"""What expressions can do, for docs/expressions.md: read from the language itself, and from the corpus of the tests."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from ostiary.directory.user import GroupRef, User
from ostiary.sandbox.evaluation.object_fields import group_fields, user_fields
from ostiary.sandbox.language.checks import MISSING_METHODS
from ostiary.sandbox.language.modules import NATIVE, SHIMS
from ostiary.sandbox.language.names import BUILTINS, EXCEPTIONS, FUNCTIONS, INSTEAD, MAPPINGS, POLICY, PROMPT
from ostiary.sandbox.language.networks import network_values
from ostiary.sandbox.language.prelude.lookups import OPERATORS

ROOT: Final = Path(__file__).resolve().parent.parent
PRELUDE: Final = ROOT / "src" / "ostiary" / "sandbox" / "language" / "prelude"
CORPUS: Final = ROOT / "tests" / "sandbox" / "corpus"
OWN: Final = "homelab"
TOGETHER: Final = "together, without what was written for it"
_NOT_CASES: Final = frozenset({"world.yaml", "does-not-run.yaml"})
_CLASSES: Final[Mapping[str, str]] = {
    "User": "a user",
    "Group": "a group",
    "Query": "a query set: `user.groups`, `User.objects`, `group.users`, ...",
    "Entitlement": "an entitlement",
    "PolicyRequest": "`request`",
    "HttpRequest": "`http_request`",
    "QueryDict": "`http_request.GET`, `http_request.POST`",
    "FlowPlan": '`context["flow_plan"]`',
    "PolicyResult": "what `ak_call_policy` returns",
    "Logger": "`ak_logger`",
    "Requests": "`requests`",
    "Response": "an answer of `requests`",
    "IPAddress": "an address",
    "IPNetwork": "a network",
    "Record": "a source, a connection, an event, a notification: their fields, and",
}
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "User": tuple(user_fields(
        User(
            pk=1, uuid="", username="", name="", email="", is_active=True, type="", path="", attributes={}, password="",
            last_login=None, date_joined=0, password_change_date=0, last_updated=0,
        ), uid="", is_superuser=False,
    )),
    "Group": tuple(group_fields(GroupRef("", "", {}))),
    "Entitlement": ("pk", "name", "attributes"),
    **{
        name: tuple(one for one in network_values(kind, "::") if not one.startswith("ostiary_"))
        for name, kind in (("IPAddress", "address"), ("IPNetwork", "network"))
    },
}  # fmt: skip


def variables_table() -> str:
    """Return the variables of each kind of expression."""
    kinds = [(POLICY.name, POLICY), (PROMPT.name, PROMPT)]
    kinds += [("scope mapping" if key == "scope" else dialect.name, dialect) for key, dialect in MAPPINGS.items()]
    rows = [f"| {name} | {_code(sorted(dialect.variables))} |" for name, dialect in kinds]
    return _table(("kind", "variables"), rows)


def functions_table() -> str:
    """Return the functions of every expression."""
    known = _definitions()
    rows = []
    for name in sorted(FUNCTIONS):
        found = known.get(name)
        text = _summary(found) if isinstance(found, ast.FunctionDef) else _CALLED.get(name, "")
        head = f"{name}({_arguments(found)})" if isinstance(found, ast.FunctionDef) else name
        rows.append(f"| `{head}` | {text} |")
    return _table(("function", ""), rows)


_CALLED: Final = {"ak_logger": "Writes lines of the log.", "requests": "Asks other machines that the operator lists."}


def objects_table() -> str:
    """Return the attributes and methods of each kind of object."""
    known = _definitions()
    rows = []
    for name, what in _CLASSES.items():
        found = known[name]
        assert isinstance(found, ast.ClassDef)  # noqa: S101 - as the names say
        fields = [*_FIELDS.get(name, ()), *(one for one in _attributes(found) if one not in _FIELDS.get(name, ()))]
        methods = [f"{one.name}()" for one in _methods(found)]
        rows.append(f"| {what} | {_code(fields)} | {_code(methods)} |")
    return _table(("object", "attributes", "methods"), rows) + f"\nOperators of look-ups: {_code(OPERATORS)}.\n"


def modules_table() -> str:
    """Return what can be imported."""
    found: dict[str, Iterable[str]] = {**{name: sorted(have) for name, have in NATIVE.items()}, **SHIMS}
    rows = [f"| `from {name} import` | {_code(sorted(found[name]))} |" for name in sorted(found)]
    return _table(("module", "names"), rows)


def python_text() -> str:
    """Return Python's own names that are there, and what is missing with what to write instead."""
    lines = [f"There are {_code(sorted(BUILTINS - EXCEPTIONS))}, and the exceptions {_code(sorted(EXCEPTIONS))}.", ""]
    missing = {**INSTEAD, **{f".{name}()": text for name, text in MISSING_METHODS.items()}}
    rows = [f"| `{name}` | {missing[name]} |" for name in sorted(missing, key=lambda one: one.strip("._"))]
    return "\n".join(lines) + "\n" + _table(("missing", "instead"), rows)


def shares_text() -> str:
    """Return the share of the corpus that runs, for each origin, and what does not with its reason."""
    origins = dict(_cases())
    reasons = _yaml(CORPUS / "does-not-run.yaml")
    every = Counter(origins.values())
    failing = Counter(origins[case] for case in reasons)
    counted = [origin for origin in every if origin != OWN]
    rows = [_share(origin, every[origin] - failing[origin], every[origin]) for origin in sorted(every)]
    total = sum(every[origin] for origin in counted)
    rows.append(_share(TOGETHER, total - sum(failing[origin] for origin in counted), total))
    left = [f"| {case} | {origins[case]} | {reason} |" for case, reason in reasons.items()]
    table = _table(("rebuilt from", "run unchanged", "of", "share"), rows)
    return table + "\n" + _table(("does not run", "rebuilt from", "reason"), left)


def _share(origin: str, running: int, every: int) -> str:
    return f"| {origin} | {running} | {every} | {100 * running / every:.1f} % |"


def _cases() -> Iterator[tuple[str, str]]:
    """Yield each case of the corpus with what it is made after."""
    for path in sorted(CORPUS.glob("*.yaml")):
        if path.name not in _NOT_CASES:
            file = _yaml(path)
            yield from ((f"{path.stem}: {case['name']}", case.get("from", file["from"])) for case in file["cases"])


class _Loader(yaml.SafeLoader):
    """YAML in which things of the house stand, which are of no interest here."""


_Loader.add_multi_constructor("!", lambda *_: None)


def _yaml(path: Path) -> dict[str, Any]:
    found = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a safe loader
    return found if isinstance(found, dict) else {}


def _definitions() -> dict[str, ast.stmt]:
    """Return the classes and functions of the prelude."""
    found: dict[str, ast.stmt] = {}
    for path in sorted(PRELUDE.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                found[node.name] = node
    return found


def _methods(node: ast.ClassDef) -> list[ast.FunctionDef]:
    functions = [one for one in node.body if isinstance(one, ast.FunctionDef)]
    return [one for one in functions if not one.name.startswith(("_", "ostiary_"))]


def _attributes(node: ast.ClassDef) -> list[str]:
    """Return what an object has from the beginning."""
    found = [
        target.attr
        for one in node.body
        if isinstance(one, ast.FunctionDef) and one.name == "__init__"
        for statement in ast.walk(one)
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Attribute)
    ]
    return [name for name in dict.fromkeys(found) if not name.startswith(("_", "ostiary_"))]


def _arguments(node: ast.FunctionDef) -> str:
    arguments = ast.parse(ast.unparse(node)).body[0]
    assert isinstance(arguments, ast.FunctionDef)  # noqa: S101 - it is the same text
    for one in ast.walk(arguments.args):
        if isinstance(one, ast.arg):
            one.annotation = None
    return ast.unparse(arguments.args)


def _summary(node: ast.FunctionDef) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]


def _table(head: tuple[str, ...], rows: Iterable[str]) -> str:
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *rows]) + "\n"


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
