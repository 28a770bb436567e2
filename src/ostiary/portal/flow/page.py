"""/if/flow/{slug}/: the current challenge of a flow as a page, and its answer.

GET shows, POST answers and is sent on to a GET, or out of the flow by the answer that ends it; what the engine says is
never decided here. The form is bound to the session, the flow and exactly this showing of this stage, so that a stale
tab starts again politely.
"""

from __future__ import annotations

from typing import Final

from ostiary.brands.pictures import picture
from ostiary.directory.first_run.administrator import USERNAME as ADMINISTRATOR
from ostiary.events.refusals import Refusal
from ostiary.flows.challenge_page import MARK, METHOD, REDIRECT
from ostiary.flows.next_url import is_safe_destination
from ostiary.flows.run.outcome import Challenge, FlowRedirect, Passed
from ostiary.portal import redirects
from ostiary.portal.flow import flash
from ostiary.portal.flow.challenges import marked_challenge, page_of, page_values
from ostiary.portal.flow.form import Sent, read_form
from ostiary.portal.look import Renderer
from ostiary.portal.page_cache import Placeholders
from ostiary.portal.services import Pages
from ostiary.seal import Secret
from ostiary.sessions.session import Session
from ostiary.web.csrf import form_token, is_form_token, same_origin
from ostiary.web.errors import Forbidden, HttpError
from ostiary.web.request import BODY_LIMIT, Request
from ostiary.web.response import Response, redirect

SETUP: Final = "initial-setup"
DISPLAY: Final = "display"
_DISPLAYS: Final = frozenset({"popup", "touch", "wap"})
NOTICE: Final = "That page was too old. Start again. If this comes back, allow cookies for this site."


class FlowPage:
    """The page of every flow."""

    def __init__(self, pages: Pages, renderer: Renderer) -> None:
        self._pages = pages
        self._renderer = renderer

    async def show(self, request: Request) -> Response:
        """GET: the current challenge, or on to where the flow leads."""
        now = self._pages.clock()
        slug = request.params["slug"]
        if slug == SETUP and await self._locked(request, now):
            return await self._without_link(request, now)
        session = await self._pages.sessions.ensure(request, now)
        outcome = await self._pages.engine.challenge(request, session, slug, query=request.query, now=now)
        match outcome:
            case FlowRedirect(to=to):
                return await self._follow(request, to)
            case Passed():
                return redirect(request.url)
            case Challenge():
                # Signing out ends the session within the look: the form belongs to the one that is there now.
                session = await self._pages.sessions.ensure(request, now)
                return self._challenge(request, session, outcome)

    async def answer(self, request: Request) -> Response:
        """POST: hand the form to the engine, and on to a GET, or to where the flow ends."""
        now = self._pages.clock()
        slug = request.params["slug"]
        if not same_origin(request):
            raise Forbidden("cross_origin", "This form was sent from another site.")
        limit = self._pages.engine.body_limit(slug)
        sent = read_form(await request.form(limit, files=limit > BODY_LIMIT))
        session = await self._pages.sessions.read(request, now)
        if session is None or not self._genuine(session, slug, sent):
            return self._see(request, redirects.AGAIN)
        if slug == SETUP and await self._locked(request, now):
            return self._see(request, redirects.AGAIN)
        outcome = await self._pages.engine.submit(
            request, session, slug, sent.fields, query=request.query, ticket=sent.ticket, now=now
        )
        if isinstance(outcome, FlowRedirect):
            return self._leave_by(request, outcome.answer, outcome.to)
        if not isinstance(outcome, Challenge):
            return self._see(request, redirects.NEXT, without=(METHOD,))
        response = self._see(request, redirects.NEXT)
        if outcome.response_errors:
            proof = (session.key, self._pages.form_key)
            flash.write(request, response, challenge=outcome, answer=sent.fields, proof=proof)
        return response

    async def _follow(self, request: Request, to: str) -> Response:
        """Leave a flow that has nothing to ask; for an old form at once to where it leads, since it was sent once."""
        if request.query_one(MARK) != redirects.AGAIN:
            return self.leave(request, to)
        there = await self._pages.protocols.follow(request, to)
        return self._leave_by(request, there, to) if there is None or there.header("location") is not None else there

    def _leave_by(self, request: Request, answer: Response | None, to: str) -> Response:
        if answer is None:
            return self.leave(request, to)
        response = self.leave(request, answer.header("location") or to)
        response.headers.extend(pair for pair in answer.headers if pair[0] != "location")
        return response

    def leave(self, request: Request, to: str) -> Response:
        """Send the browser on: by redirect, or by a page when it comes from a POST and may leave this origin."""
        if not is_safe_destination(to):
            raise HttpError(400, "invalid_redirect", "The flow leads to an address that is not allowed.")
        posted = request.method == "POST"
        if not posted and request.query_one(MARK) is None:
            return redirect(to)
        here = redirects.stays_here(to, request)
        if here is not None:
            return redirect(here, 303 if posted else 302)
        slots = Placeholders()
        host = redirects.host_of(to)
        values = {"to": slots.mark("to", to), "target": slots.mark("target", host)}
        return self._renderer.cached_page(request, "stages/redirect.html", slots, **values)

    def _challenge(self, request: Request, session: Session, challenge: Challenge) -> Response:
        if challenge.component == REDIRECT:
            return self.leave(request, str(challenge.fields["to"]))
        response = self._show(request, session, challenge)
        policy = page_of(challenge).policy
        if policy is not None:
            response.headers.append(("content-security-policy", policy(challenge.fields)))
        flash.clear(request, response)
        return response

    def _show(self, request: Request, session: Session, challenge: Challenge) -> Response:
        translate = self._renderer.translator(request)
        errors = {} if _is_chosen_anew(request) else challenge.response_errors
        typed = flash.read(request, challenge=challenge, proof=(session.key, self._pages.form_key)) if errors else {}
        token = form_token(session.key, _purpose(request.params["slug"], challenge.ticket), self._pages.form_key)
        again = request.query_one(MARK) == redirects.AGAIN and not errors
        notice = translate(NOTICE) if again else ""
        display = _display(request)
        account = ADMINISTRATOR if request.params["slug"] == SETUP else str(session.who.get("username", ""))
        form = {"ticket": challenge.ticket, "form_token": token, "action": request.url}
        shown = page_of(challenge)
        if errors or not shown.cached:
            values = page_values(challenge, request=request, errors=errors, typed=typed, translate=translate)
            values |= {"account": account, **form}
            return self._renderer.page(request, shown.template, notice=notice, display=display, **values)
        slots = Placeholders()
        marks = {name: slots.mark(name, value) for name, value in form.items()}
        marked = marked_challenge(challenge, slots)
        values = page_values(marked, request=request, errors=errors, typed=typed, translate=translate)
        values["initial"] = slots.mark("initial", str(challenge.fields.get("pending_user") or "")[:1])
        values["avatar"] = slots.mark("avatar", picture(str(challenge.fields.get("pending_user_avatar") or "")))
        return self._renderer.cached_page(
            request, shown.template, slots, notice=notice, display=display, **marks, **values
        )

    def _genuine(self, session: Session, slug: str, sent: Sent) -> bool:
        return is_form_token(sent.form_token, session.key, _purpose(slug, sent.ticket), self._pages.form_key)

    def _see(self, request: Request, mark: str, *, without: tuple[str, ...] = ()) -> Response:
        return redirect(redirects.marked(request.prefix + request.path, request.query, mark, without=without), 303)

    async def _without_link(self, request: Request, now: int) -> Response:
        """Answer who came without the link of the set-up; who brought another one is told so."""
        brought = bool(request.query_one("token"))
        if brought:
            refusal = Refusal(
                where=request.path,
                error="setup_link",
                reason="the first-run link is not valid: replaced, older than 24 hours, or not copied whole",
                address=request.client,
                request_id=request.request_id,
            )
            await self._pages.refusals.record(self._pages.sign_on.database, refusal, now=now)
        number = request.request_id
        return self._renderer.page(request, "setup.html", status=403, false_link=brought, request_id=number)

    async def _locked(self, request: Request, now: int) -> bool:
        """Say whether the set-up is open and this browser came without its link."""
        if await self._pages.setup.closed():
            return False
        token = request.query_one("token")
        return not token or not await self._pages.setup.is_valid_link(Secret(token), now)


def _display(request: Request) -> str:
    """Return the form of page an application asked for (OpenID Connect Core 3.1.2.1), "" for the usual one."""
    wanted = request.query_one(DISPLAY)
    return wanted if wanted in _DISPLAYS else ""


def _is_chosen_anew(request: Request) -> bool:
    """Say whether another way to prove oneself was chosen: what was wrong with the one before is not wrong with it."""
    return request.query_one(METHOD) is not None and request.query_one(MARK) is None


def _purpose(slug: str, ticket: str) -> str:
    return f"flow {slug} {ticket}"
