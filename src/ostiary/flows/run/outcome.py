"""What the engine answers: a challenge to show, a step that passed, or another place to go.

Two renderings read the same outcome: the JSON executor and the HTML page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ostiary.flows.challenge_page import REDIRECT, UNKNOWN_PAGE, ChallengePage
from ostiary.flows.error_detail import Errors
from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.web.response import Response


@dataclass(frozen=True, slots=True)
class FlowInfo:
    """What stands around a challenge. `title` is filled in already, `background` may be empty."""

    title: str
    layout: str
    cancel_url: str
    background: str = ""

    def wire(self) -> dict[str, object]:
        """Return the `flow_info` of the JSON challenge."""
        return {
            "title": self.title,
            "layout": self.layout,
            "cancel_url": self.cancel_url,
            "background": self.background,
            "background_themed_urls": None,  # backgrounds have one address, whatever the theme
        }


@dataclass(frozen=True, slots=True)
class Challenge:
    """What to ask next.

    `ticket` names exactly this showing of this stage of this plan: a page puts it in its form (and binds the form
    token to it) and hands it back as `submit(..., ticket=...)`; an answer with an old ticket is not looked at.
    `page` is how a browser shows it, `notes` what that page is told beside `fields`; neither is in the JSON challenge.
    """

    component: str
    fields: Mapping[str, object]
    flow_info: FlowInfo
    response_errors: Errors = field(default_factory=dict)
    ticket: str = ""
    page: ChallengePage = UNKNOWN_PAGE
    notes: Mapping[str, object] = field(default_factory=dict)
    application: str = ""  # what the flow was begun for, where a page names it; no member of the JSON challenge

    def wire(self) -> dict[str, object]:
        """Return the JSON body of the executor."""
        body: dict[str, object] = {"component": self.component, "flow_info": self.flow_info.wire(), **self.fields}
        if self.response_errors:
            body["response_errors"] = {
                name: [{"string": one.string, "code": one.code} for one in details]
                for name, details in self.response_errors.items()
            }
        return body


@dataclass(frozen=True, slots=True)
class Passed:
    """The step is done (or the answer was stale): look at the same flow again. JSON 302, pages 303.

    `component` is what the next look will show, when that is known already.
    """

    component: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """The flow ended, or leads elsewhere: a path of ours, or an absolute URL set by the server side.

    `ended` is False where the plan goes on in another flow, at whose page `to` is. `answer` is that of the protocol
    whose request the flow was begun for, where it was stored together with the end of the flow.
    """

    to: str
    answer: Response | None = None
    ended: bool = True

    def wire(self) -> dict[str, object]:
        """Return the JSON body of the executor."""
        return {"component": REDIRECT, "to": self.to}


Outcome = Challenge | Passed | Moved
