"""GitHub's OAuth endpoints and API, for applications that support no other sign-in.

/login/oauth/authorize and /login/oauth/access_token are the authorization and token endpoint; /user and /user/teams
answer in the shape of GitHub's REST API. Fields that have no meaning here are there and empty.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from ostiary.brands.select import select
from ostiary.grants.access_tokens import find_access
from ostiary.proto.oauth2.bearer import parse_token
from ostiary.proto.oauth2.errors import INSUFFICIENT_SCOPE, INVALID_TOKEN, OAuthError
from ostiary.proto.oauth2.parameters import read_parameters
from ostiary.providers.oauth2.authorize.address import PATH
from ostiary.providers.oauth2.client_authentication.token_binding import verify_token_binding
from ostiary.providers.oauth2.json_responses import bearer_error, token_json
from ostiary.providers.oauth2.provider.client import client_by_provider
from ostiary.providers.oauth2.refusals import report_refusal
from ostiary.providers.oauth2.tokens.access_token_format import is_meant_here
from ostiary.store.hashing import token_hash
from ostiary.web.errors import BadRequest
from ostiary.web.response import Response, redirect

if TYPE_CHECKING:
    from ostiary.directory.user import GroupRef, Subject
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.web.request import Request

MARK: Final = "ostiary_github"
"""Our own parameter: the request came by GitHub's address, so GitHub's scopes are known."""

SCOPES: Final = ("user", "read:user", "user:email", "read:org")
DESCRIPTIONS: Final = {"user:email": "E-mail address", "read:org": "Name, user name and groups"}
_EMAIL: Final = "user:email"
_ORGANISATION: Final = "read:org"
_SECOND: Final = 1_000_000
_EMPTY: Final = (
    *("node_id", "avatar_url", "gravatar_id", "url", "html_url", "followers_url", "following_url", "gists_url"),
    *("starred_url", "subscriptions_url", "organizations_url", "repos_url", "events_url", "received_events_url"),
    *("company", "blog", "location", "bio", "twitter_username"),
)
_NUMBERS: Final = (
    *("public_repos", "public_gists", "followers", "following", "private_gists", "total_private_repos"),
    *("owned_private_repos", "disk_usage", "collaborators"),
)


async def github_authorize(request: Request) -> Response:
    """Redirect to the authorization endpoint, with the one response type of GitHub, which requests do not name."""
    pairs = [pair for pair in request.query_pairs() if pair[0] != MARK]
    if not pairs:
        raise BadRequest("invalid_request", "This address is for applications: the request has no parameters.")
    if "response_type" not in dict(pairs):
        pairs.append(("response_type", "code"))
    return redirect(f"{request.prefix}{PATH}?{urlencode([*pairs, (MARK, '1')], quote_via=quote)}")


def known_scopes(parameters: Iterable[str]) -> tuple[str, ...]:
    """Return the additional scopes of GitHub requests, by the request's parameters."""
    return SCOPES if MARK in parameters else ()


async def github_user(request: Request, services: OAuth2Services) -> Response:
    """Answer /user: the user of the token. Requires the scope user:email."""
    try:
        subject = await _subject(request, services, _EMAIL)
    except OAuthError as error:
        await report_refusal(request, services, error)
        return bearer_error(request, error)
    if subject is None:
        return bearer_error(request, None)
    user = subject.user
    joined = datetime.fromtimestamp(user.date_joined // _SECOND, tz=UTC).isoformat()
    return token_json(
        {
            "login": user.username,
            "id": user.pk,
            **dict.fromkeys(_EMPTY, ""),
            "type": "User",
            "site_admin": False,
            "name": user.name,
            "email": user.email,
            "hireable": False,
            **dict.fromkeys(_NUMBERS, 0),
            "created_at": joined,
            "updated_at": joined,
            "two_factor_authentication": False,
            "plan": {"name": "None", "space": 0, "collaborators": 0, "private_repos": 0},
        }
    )


async def github_teams(request: Request, services: OAuth2Services) -> Response:
    """Answer /user/teams: one entry per direct group. Requires the scope read:org."""
    try:
        subject = await _subject(request, services, _ORGANISATION)
    except OAuthError as error:
        await report_refusal(request, services, error)
        return bearer_error(request, error)
    if subject is None:
        return bearer_error(request, None)
    title = select(services.plane.snapshot, request.host).branding_title
    return token_json([_team(group, title) for group in subject.groups])


async def _subject(request: Request, services: OAuth2Services, scope: str) -> Subject | None:
    """Return the subject of the token; None without one. Raises OAuthError (invalid_token, insufficient_scope)."""
    authorization = request.headers.get("authorization", "")
    if authorization[:6].lower() == "token ":  # GitHub's own word for Bearer
        authorization = "Bearer " + authorization[6:]
    sent = parse_token(authorization, read_parameters(()))
    if sent is None:
        return None
    token = await find_access(services.database, token_hash(sent.token), now=services.clock())
    if token is None or client_by_provider(services.plane.snapshot, token.provider) is None:
        raise OAuthError(INVALID_TOKEN, "unknown, expired or revoked")
    await verify_token_binding(request, services, token, sent)
    # guard: A16 the GitHub endpoints accept only tokens with their audience
    if not is_meant_here(sent.token, token):
        raise OAuthError(INVALID_TOKEN, "made for another resource")
    if scope not in token.scope:
        raise OAuthError(INSUFFICIENT_SCOPE, f"the token lacks {scope}")
    subject = await services.users.subject(token.user)
    if subject is None or not subject.user.is_active:
        raise OAuthError(INVALID_TOKEN, "the person is gone or disabled")
    return subject


def _team(group: GroupRef, organisation: str) -> dict[str, object]:
    return {
        "id": _number(group.pk),
        "node_id": "",
        "url": "",
        "html_url": "",
        "name": group.name,
        "slug": slug(group.name),
        "description": "",
        "privacy": "",
        "permission": "",
        "members_url": "",
        "repositories_url": "",
        "parent": None,
        "members_count": 0,
        "repos_count": 0,
        "created_at": "",
        "updated_at": "",
        "organization": {
            "login": slug(organisation),
            "id": 1,
            "node_id": "",
            "url": "",
            "name": organisation,
            "description": "",
            "type": "Organization",
        },
    }


def _number(pk: str) -> int:
    """Return the number of a group, as in authentik: the first five digits of its UUID."""
    return int(str(uuid.UUID(pk).int)[:5])


def slug(text: str) -> str:
    """Return a name as a slug: lower-case letters, digits, hyphens and underscores."""
    cleaned = re.sub(r"[^\w\s-]", "", text.lower(), flags=re.ASCII)
    return re.sub(r"[-\s]+", "-", cleaned).strip("-_")
