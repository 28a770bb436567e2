"""The HTML page of a challenge: its template, and the values besides the fields of the challenge.

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
"""The query parameter that says why a page is shown. It is not passed on."""

METHOD: Final = "method"
"""The query parameter that selects the method of a response."""

REDIRECT: Final = "xak-flow-redirect"
"""The component of a redirect. Its field `to` is the URL."""

Translate = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContext:
    """The input for the values of a page.

    `fields` are those of the challenge, `notes` are the stage's values for the page alone, and `typed` are the values
    typed before. `focus` says that the first field may take the focus, because there are no errors. `translate`
    translates a text; `interpolate` translates a text with interpolated names.
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

    `template` is looked up in the template folders of the rooms (`Room.templates`). `values` returns values besides
    the fields. `read` turns a form into the stage's response; form values are texts, or booleans for checkboxes.
    `refilled` names the fields that keep their values when the form is shown again with errors; never secrets.
    `cached` renders the page once for each brand, language and set of fields, with placeholders for personal values
    (`portal.flow.challenges.marked_challenge`). `back` gives the browser's Back the effect of "Not you?". `policy` is
    the page's own content security policy, if it needs one.
    """

    template: str
    values: Callable[[PageContext], Mapping[str, object]] = _no_values
    read: Callable[[Mapping[str, object]], Mapping[str, object]] = _as_sent
    refilled: Callable[[Mapping[str, object]], Collection[str]] = _nothing
    cached: bool = False
    back: bool = False
    policy: Callable[[Mapping[str, object]], str] | None = None


UNKNOWN_PAGE: Final = ChallengePage(template="stages/unknown.html")
"""The page of a challenge without its own page."""
