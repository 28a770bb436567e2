"""How a browser shows a challenge: a template, and what it needs beside the fields of the challenge.

A stage brings its page (`Stage.PAGE`). The room `portal` renders it, and knows no stage by name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.web.request import Request

MARK: Final = "step"
"""The parameter of a page's own query that says why it is shown; no address leads on with it."""

METHOD: Final = "method"
"""The parameter of a page's own query that chooses among several ways to answer."""

REDIRECT: Final = "xak-flow-redirect"
"""The component of a challenge that leads elsewhere: its field `to` is the address."""

Translate = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContext:
    """What the values of a page are made from.

    `fields` are those of the challenge, `notes` what the stage adds for the page alone, `typed` what the person typed
    before. `focus` says that the first field may take the focus: there are no errors. `translate` translates a text,
    `interpolate` one that names were filled into already.
    """

    request: Request
    fields: Mapping[str, object]
    notes: Mapping[str, object]
    typed: Mapping[str, str]
    focus: bool
    translate: Translate
    interpolate: Translate

    def address(self, *, without: Collection[str] = (), add: Iterable[tuple[str, str]] = ()) -> str:
        """Return the path of this page with its query, but for the parameters `without`."""
        pairs = [pair for pair in self.request.query_pairs() if pair[0] != MARK and pair[0] not in without]
        query = urlencode([*pairs, *add])
        return self.request.prefix + self.request.path + (f"?{query}" if query else "")


def _no_values(_context: PageContext) -> Mapping[str, object]:
    return {}


def _as_sent(form: Mapping[str, object]) -> Mapping[str, object]:
    return form


def _nothing(_fields: Mapping[str, object]) -> Collection[str]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengePage:
    """The page of one challenge.

    `template` is found in the folders of templates that rooms have (`Room.templates`). `values` are what it needs
    beside the fields. `read` makes the stage's answer of a form, in which every value is a text or, for a box, a
    boolean. `refilled` names the answers that may be filled in again when the form comes back with errors: no secret.
    `cached` renders the page once for each brand, language and set of fields, with places for what belongs to one
    person (`portal.flow.challenges.marked_challenge`). `back` lets the browser's Back do what "Not you?" does.
    `policy` is the content security policy, where the page needs one of its own.
    """

    template: str
    values: Callable[[PageContext], Mapping[str, object]] = _no_values
    read: Callable[[Mapping[str, object]], Mapping[str, object]] = _as_sent
    refilled: Callable[[Mapping[str, object]], Collection[str]] = _nothing
    cached: bool = False
    back: bool = False
    policy: Callable[[Mapping[str, object]], str] | None = None


UNKNOWN_PAGE: Final = ChallengePage(template="stages/unknown.html")
"""The page of a challenge that has none: it says so."""
