"""Outcomes of the engine: a challenge, a passed step, or a redirect.

The JSON executor and the HTML pages render the same outcomes.
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
    """The flow of a challenge. Placeholders in `title` are replaced; `background` may be empty."""

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
    """The challenge to show.

    `ticket` identifies this stage of this plan. A page puts it in its form, binds the form token to it, and returns it
    with `submit(..., ticket=...)`; a form with an old ticket is ignored. `page` is the HTML page of the challenge, and
    `notes` are values for it besides `fields`. Neither is part of the JSON challenge.
    """

    component: str
    fields: Mapping[str, object]
    flow_info: FlowInfo
    response_errors: Errors = field(default_factory=dict)
    ticket: str = ""
    page: ChallengePage = UNKNOWN_PAGE
    notes: Mapping[str, object] = field(default_factory=dict)
    application: str = ""  # the name of the application, for the page; not part of the JSON challenge

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
    """The step passed, or the response was stale: request the same flow again. JSON 302, pages 303.

    `component` is that of the next challenge, if already known.
    """

    component: str = ""


@dataclass(frozen=True, slots=True)
class FlowRedirect:
    """The flow ended, or redirects: to one of our paths, or to an absolute URL from the configuration.

    `ended` is False if the plan continues in another flow, with its page at `to`. `answer` is the response of the
    protocol, if it was committed together with the end of the flow.
    """

    to: str
    answer: Response | None = None
    ended: bool = True

    def wire(self) -> dict[str, object]:
        """Return the JSON body of the executor."""
        return {"component": REDIRECT, "to": self.to}


Outcome = Challenge | Passed | FlowRedirect
