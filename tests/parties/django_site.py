"""A Django site with mozilla-django-oidc, set up by its documentation's own words. Started by a test as a program."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from urllib.request import urlopen
from wsgiref.simple_server import WSGIServer, make_server

import django
from django.conf import settings


def configure() -> None:
    """Set Django up. With RENEW every page asks the server silently whether the sign-in still stands."""
    with urlopen(os.environ["ISSUER"] + ".well-known/openid-configuration", timeout=10) as answer:
        known = json.load(answer)
    middleware = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    if os.environ.get("RENEW"):
        middleware.append("mozilla_django_oidc.middleware.SessionRefresh")
    settings.configure(
        SECRET_KEY="a secret of the tests",
        ALLOWED_HOSTS=["localhost"],
        ROOT_URLCONF="django_urls",
        INSTALLED_APPS=[
            "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "mozilla_django_oidc",
        ],
        MIDDLEWARE=middleware,
        AUTHENTICATION_BACKENDS=["mozilla_django_oidc.auth.OIDCAuthenticationBackend"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path.cwd() / "site.db")}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        LOGGING={
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"console": {"class": "logging.StreamHandler"}},
            "root": {"handlers": ["console"], "level": "WARNING"},
        },
        LOGIN_REDIRECT_URL="/",
        LOGIN_REDIRECT_URL_FAILURE="/failed",
        OIDC_RP_CLIENT_ID=os.environ["CLIENT_ID"],
        OIDC_RP_CLIENT_SECRET=os.environ["CLIENT_SECRET"],
        OIDC_RP_SIGN_ALGO=known["id_token_signing_alg_values_supported"][0],
        OIDC_RP_SCOPES="openid email profile",
        OIDC_OP_JWKS_ENDPOINT=known["jwks_uri"],
        OIDC_OP_AUTHORIZATION_ENDPOINT=known["authorization_endpoint"],
        OIDC_OP_TOKEN_ENDPOINT=known["token_endpoint"],
        OIDC_OP_USER_ENDPOINT=known["userinfo_endpoint"],
        OIDC_TOKEN_USE_BASIC_AUTH=bool(os.environ.get("BASIC")),
        OIDC_USE_PKCE=bool(os.environ.get("PKCE")),
        OIDC_RENEW_ID_TOKEN_EXPIRY_SECONDS=0,
    )  # fmt: skip
    django.setup()


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


def main() -> int:
    """Serve until the test ends the process."""
    configure()
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application

    call_command("migrate", verbosity=0)
    with make_server("127.0.0.1", int(os.environ["PORT"]), get_wsgi_application(), Server) as server:
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
