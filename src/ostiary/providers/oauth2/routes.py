"""The paths of this room."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from ostiary.providers.oauth2.authorize.endpoint import authorize_endpoint, authorize_post
from ostiary.providers.oauth2.authorize.par import push
from ostiary.providers.oauth2.device.endpoint import PAGE, device
from ostiary.providers.oauth2.device.page import AUTHORIZE, approval_endpoint, code_endpoint
from ostiary.providers.oauth2.json_responses import preflight
from ostiary.providers.oauth2.logout.end_session import end_session, end_session_post
from ostiary.providers.oauth2.logout.session_management import check_session
from ostiary.providers.oauth2.metadata.endpoints import discovery, jwks, provider_root
from ostiary.providers.oauth2.metadata.global_issuer import END_SESSION, JWKS, global_discovery, global_jwks
from ostiary.providers.oauth2.metadata.webfinger import webfinger
from ostiary.providers.oauth2.protected.github import github_authorize, github_teams, github_user
from ostiary.providers.oauth2.protected.introspection import introspect
from ostiary.providers.oauth2.protected.revocation import revoke
from ostiary.providers.oauth2.protected.userinfo import userinfo
from ostiary.providers.oauth2.token.endpoint import token
from ostiary.web.router import Handler, Route

if TYPE_CHECKING:
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.web.request import Request
    from ostiary.web.response import Response

_ROOT = "/application/o"
_OWN = f"{_ROOT}/{{slug}}"
_DISCOVERY = f"{_OWN}/.well-known/openid-configuration"
_GLOBAL_DISCOVERY = "/.well-known/openid-configuration"
_GLOBAL_METADATA = "/.well-known/oauth-authorization-server"
_METADATA = f"/.well-known/oauth-authorization-server{_OWN}/"


def routes(services: OAuth2Services) -> Sequence[Route]:
    """Return the routes, each handler given its services."""

    def with_services(handler: Callable[[Request, OAuth2Services], Awaitable[Response]]) -> Handler:
        async def handle(request: Request) -> Response:
            return await handler(request, services)

        return handle

    return (
        Route("GET", f"{_ROOT}/authorize/", authorize_endpoint(services).answer, "oauth2-authorize"),
        Route("POST", f"{_ROOT}/authorize/", authorize_post, "oauth2-authorize-post"),
        Route("POST", f"{_ROOT}/par/", with_services(push), "oauth2-par"),
        Route("OPTIONS", f"{_ROOT}/par/", preflight),
        Route("POST", f"{_ROOT}/device/", with_services(device), "oauth2-device"),
        Route("OPTIONS", f"{_ROOT}/device/", preflight),
        Route("GET", PAGE, code_endpoint(services).answer, "oauth2-device-page"),
        Route("GET", f"{PAGE}/", code_endpoint(services).answer),
        Route("GET", AUTHORIZE, approval_endpoint(services).answer, "oauth2-device-authorize"),
        Route("POST", f"{_ROOT}/token/", with_services(token), "oauth2-token"),
        Route("OPTIONS", f"{_ROOT}/token/", preflight),
        Route("GET", f"{_ROOT}/userinfo/", with_services(userinfo), "oauth2-userinfo"),
        Route("POST", f"{_ROOT}/userinfo/", with_services(userinfo)),
        Route("OPTIONS", f"{_ROOT}/userinfo/", preflight),
        Route("POST", f"{_ROOT}/introspect/", with_services(introspect), "oauth2-introspect"),
        Route("OPTIONS", f"{_ROOT}/introspect/", preflight),
        Route("POST", f"{_ROOT}/revoke/", with_services(revoke), "oauth2-revoke"),
        Route("OPTIONS", f"{_ROOT}/revoke/", preflight),
        Route("GET", f"{_OWN}/", with_services(provider_root), "oauth2-root"),
        Route("GET", _DISCOVERY, with_services(discovery), "oauth2-discovery"),
        Route("OPTIONS", _DISCOVERY, preflight),
        Route("GET", _METADATA, with_services(discovery), "oauth2-metadata"),
        Route("OPTIONS", _METADATA, preflight),
        Route("GET", _GLOBAL_DISCOVERY, with_services(global_discovery), "oauth2-global-discovery"),
        Route("OPTIONS", _GLOBAL_DISCOVERY, preflight),
        Route("GET", _GLOBAL_METADATA, with_services(global_discovery), "oauth2-global-metadata"),
        Route("OPTIONS", _GLOBAL_METADATA, preflight),
        Route("GET", JWKS, with_services(global_jwks), "oauth2-global-jwks"),
        Route("GET", END_SESSION, with_services(end_session), "oauth2-global-end-session"),
        Route("POST", END_SESSION, with_services(end_session_post)),
        Route("GET", f"{_OWN}/jwks/", with_services(jwks), "oauth2-jwks"),
        Route("GET", f"{_OWN}/end-session/", with_services(end_session), "oauth2-end-session"),
        Route("POST", f"{_OWN}/end-session/", with_services(end_session_post)),
        Route("GET", f"{_OWN}/check-session/", with_services(check_session), "oauth2-check-session"),
        Route("GET", "/.well-known/webfinger", with_services(webfinger), "oauth2-webfinger"),
        Route("GET", "/login/oauth/authorize", github_authorize, "github-authorize"),
        Route("POST", "/login/oauth/access_token", with_services(token), "github-token"),
        Route("GET", "/user", with_services(github_user), "github-user"),
        Route("GET", "/user/teams", with_services(github_teams), "github-teams"),
    )
