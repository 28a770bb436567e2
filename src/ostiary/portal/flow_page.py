"""/if/flow/{slug}/: the current challenge of a flow as a page, and its answer.

GET shows, POST answers and is sent on to a GET; what the engine says is never decided here. The form is bound to the
session, the flow and exactly this showing of this stage, so that a stale tab starts again politely.
"""

from __future__ import annotations

from typing import Final

from ostiary.flows.outcome import Challenge, Moved, Passed
from ostiary.portal import flash, iframes, onward
from ostiary.portal.answers import Sent, read_form
from ostiary.portal.autosubmit import submit_policy
from ostiary.portal.challenges import page_values, template_of
from ostiary.portal.look import Painter
from ostiary.portal.methods import PARAMETER as METHOD
from ostiary.portal.services import Pages
from ostiary.seal import Secret
from ostiary.sessions.session import Session
from ostiary.web.csrf import check_form_token, form_token, same_origin
from ostiary.web.errors import Forbidden, HttpError
from ostiary.web.request import Request
from ostiary.web.response import Response, redirect

SETUP: Final = "initial-setup"
DISPLAY: Final = "display"
_DISPLAYS: Final = frozenset({"popup", "touch", "wap"})
NOTICE: Final = "That page was too old, so please start again. If this comes back, allow cookies for this site."


class FlowPage:
    """The page of every flow."""

    def __init__(self, pages: Pages, painter: Painter) -> None:
        self._pages = pages
        self._painter = painter

    async def show(self, request: Request) -> Response:
        """GET: the current challenge, or on to where the flow leads."""
        now = self._pages.clock()
        slug = request.params["slug"]
        if slug == SETUP and await self._locked(request, now):
            return self._painter.page(request, "setup.html", status=403)
        session = await self._pages.gate.ensure(request, now)
        outcome = await self._pages.engine.challenge(request, session, slug, query=request.query, now=now)
        match outcome:
            case Moved(to):
                return self.leave(request, to)
            case Passed():
                return redirect(request.url)
            case Challenge():
                # Signing out ends the session within the look: the form belongs to the one that is there now.
                session = await self._pages.gate.ensure(request, now)
                return self._challenge(request, session, outcome)

    async def answer(self, request: Request) -> Response:
        """POST: hand the form to the engine, and on to a GET whatever it says."""
        now = self._pages.clock()
        slug = request.params["slug"]
        if not same_origin(request):
            raise Forbidden("cross_origin", "This form was sent from another site.")
        sent = read_form(await request.form())
        session = await self._pages.gate.read(request, now)
        if session is None or not self._genuine(session, slug, sent):
            return self._see(request, onward.AGAIN)
        if slug == SETUP and await self._locked(request, now):
            return self._see(request, onward.AGAIN)
        outcome = await self._pages.engine.respond(
            request, session, slug, sent.answer, query=request.query, ticket=sent.ticket, now=now
        )
        if not isinstance(outcome, Challenge):
            return self._see(request, onward.NEXT, without=(METHOD,))
        response = self._see(request, onward.NEXT)
        if outcome.response_errors:
            proof = (session.key, self._pages.form_key)
            flash.write(request, response, challenge=outcome, answer=sent.answer, proof=proof)
        return response

    def leave(self, request: Request, to: str) -> Response:
        """Send the browser on: by redirect, or by a page when it came from a POST and may leave this origin."""
        if not onward.is_safe(to):
            raise HttpError(400, "invalid_redirect", "The flow leads to an address that is not allowed.")
        if request.query_one(onward.MARK) is None:
            return redirect(to)
        here = onward.stays_here(to, request)
        if here is not None:
            return redirect(here)
        return self._painter.page(request, "stages/redirect.html", to=to, target=onward.host_of(to))

    def _challenge(self, request: Request, session: Session, challenge: Challenge) -> Response:
        if challenge.component == "xak-flow-redirect":
            return self.leave(request, str(challenge.fields["to"]))
        translate = self._painter.translator(request)
        errors = challenge.response_errors
        proof = (session.key, self._pages.form_key)
        typed = flash.read(request, proof=proof) if errors else {}
        purpose = _purpose(request.params["slug"], challenge.ticket)
        response = self._painter.page(
            request,
            template_of(challenge.component),
            ticket=challenge.ticket,
            form_token=form_token(session.key, purpose, self._pages.form_key),
            action=request.url,
            display=_display(request),
            notice=translate(NOTICE) if request.query_one(onward.MARK) == onward.AGAIN and not errors else "",
            **page_values(challenge, request=request, errors=errors, values=typed, translate=translate),
        )
        if challenge.component == "ak-stage-autosubmit":
            response.headers.append(("content-security-policy", submit_policy(str(challenge.fields["url"]))))
        if challenge.component == iframes.COMPONENT:
            response.headers.append(("content-security-policy", iframes.frames_policy(challenge.fields)))
        flash.clear(request, response)
        return response

    def _genuine(self, session: Session, slug: str, sent: Sent) -> bool:
        return check_form_token(sent.form_token, session.key, _purpose(slug, sent.ticket), self._pages.form_key)

    def _see(self, request: Request, mark: str, *, without: tuple[str, ...] = ()) -> Response:
        return redirect(onward.marked(request.prefix + request.path, request.query, mark, without=without), 303)

    async def _locked(self, request: Request, now: int) -> bool:
        """Say whether the set-up is open and this browser came without its link."""
        if await self._pages.setup.closed():
            return False
        token = request.query_one("token")
        return not token or not await self._pages.setup.check(Secret(token), now)


def _display(request: Request) -> str:
    """Return the form of page an application asked for (OpenID Connect Core 3.1.2.1), "" for the usual one."""
    wanted = request.query_one(DISPLAY)
    return wanted if wanted in _DISPLAYS else ""


def _purpose(slug: str, ticket: str) -> str:
    return f"flow {slug} {ticket}"
