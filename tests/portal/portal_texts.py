"""Every text a person may read, found in the sources: what a catalog has to translate."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import ostiary
from ostiary.app.errors import UNAVAILABLE
from ostiary.flows.error_detail import TOO_MANY
from ostiary.flows.prompt.form import SERVER_SIDE_LOST
from ostiary.flows.proofs.proof import MESSAGE
from ostiary.flows.proofs.reauthentication import STALE
from ostiary.flows.run.planner import UNDECIDED
from ostiary.flows.stages.resume import CHANGED, ENDED, NO_ACCOUNT, OTHER_ADDRESS, UNKNOWN
from ostiary.portal.error_page import HEADINGS, TEXTS
from ostiary.portal.flow.interpolation import SOURCES
from ostiary.portal.flow.page import NOTICE
from ostiary.portal.look import own_static, own_templates
from ostiary.signon.break_glass.entry import NOT_VALID as BREAK_GLASS_NOT_VALID
from ostiary.signon.recovery import NOT_VALID as LINK_NOT_VALID

PACKAGE = Path(ostiary.__file__).parent
_SHOWN = re.compile(r'^\s+(?:title|label|placeholder|sub_text|description): "([^"]+)"$', re.MULTILINE)
# Texts the engine makes in other ways than those above.
ELSEWHERE = (
    UNDECIDED,
    UNKNOWN,
    *ENDED.values(),
    NO_ACCOUNT,
    OTHER_ADDRESS,
    CHANGED,
    SERVER_SIDE_LOST,
    TOO_MANY,
    MESSAGE,
    STALE,
    LINK_NOT_VALID,
    BREAK_GLASS_NOT_VALID,
    *HEADINGS.values(),
    *UNAVAILABLE.values(),
    "Log in",
    "Invalid next URL",
    "These answers are not allowed.",
    "Not among the passwords that were leaked elsewhere.",
    "Not easy to guess: no common words, names, dates or rows of keys alone.",
    *(
        f"{begin} one {what}."
        for begin in ("At least", "The password must have at least")
        for what in ("digit", "capital letter", "small letter", "symbol")
    ),
    "You had this password before. Choose another one.",
    "The network of your address is not known.",
    "The country of your address is not known.",
    "You are farther from an earlier sign-in than is allowed.",
    "Nobody can travel here that fast from an earlier sign-in.",
    "The password has expired.",
    "The password is too easy to guess.",
    "This password was found among leaked ones. Choose another one.",
    "Too many new visits from this address.",
    "Too many wrong codes. Wait a little.",
    "You are not allowed to go on.",
    "You cannot use this flow now.",
    "You did not allow it.",
    "You did not allow it. The device is not signed in.",
    "This makes the first administrator, akadmin. Enter an e-mail address and choose a password.",
)
_TRANSLATE = {"_", "translate", "translator", "translatable"}
# Calls whose text ends up on a page, and the position of that text.
_RAISED = {
    "HttpError": 2,
    "BadRequest": 1,
    "Forbidden": 1,
    "NotFound": 1,
    "ErrorDetail": 0,
    "wrong": 1,
    "Refused": 0,
    "_deny": 0,
    "NotValid": 0,
    "StageFailed": 0,
}


def template_texts() -> set[tuple[str, str | None]]:
    """Return (text, plural or None) of the portal's templates."""
    environment = own_templates(own_static()).environment
    found: set[tuple[str, str | None]] = set()
    for path in sorted((PACKAGE / "portal" / "templates").rglob("*.html")):
        for _, function, message in environment.extract_translations(path.read_text()):  # type: ignore[attr-defined]
            if function == "ngettext":
                found.add((message[0], message[1]))
            elif text := message[0] if isinstance(message, tuple) else message:
                found.add((text, None))
    return found


def source_texts() -> set[str]:
    """Return the texts in Python that pages translate: marked ones, and messages of errors."""
    found: set[str] = set()
    for room in ("web", "portal", "flows", "sessions", "providers", "directory"):
        for path in sorted((PACKAGE / room).rglob("*.py")):
            found.update(_texts(ast.parse(path.read_text())))
    found.update(text for pair in TEXTS.values() for text in pair)
    found.update({NOTICE, *SOURCES, *ELSEWHERE})
    return {text for text in found if text and not text.isspace()}


def blueprint_texts() -> set[str]:
    """Return the texts of the default blueprints that people see: titles of flows, labels of prompts, descriptions."""
    found: set[str] = set()
    for path in sorted((PACKAGE / "blueprints" / "defaults").rglob("*.yaml")):
        found.update(_SHOWN.findall(path.read_text()))
    return found


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        position = 0 if name in _TRANSLATE else _RAISED.get(name)
        if position is not None and len(node.args) > position:
            argument = node.args[position]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.value
