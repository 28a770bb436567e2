"""django-oauth-toolkit as its documentation sets it up, with durable SQLite: the WSGI application for gunicorn.

`python django_provider.py` makes the database. The folder of the database is in BENCH_FOLDER.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

CLIENT: Final = "bench-opaque"
SECRET: Final = "bench-secret-0123456789-0123456789-0123456789"  # noqa: S105 - of a server that lives for minutes

settings.configure(
    SECRET_KEY="of a server that lives for minutes",  # noqa: S106
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    USE_TZ=True,
    LOGGING_CONFIG=None,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(Path(os.environ["BENCH_FOLDER"]) / "django.sqlite3"),
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
                "transaction_mode": "IMMEDIATE",
                "timeout": 30,
            },
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    OAUTH2_PROVIDER={"SCOPES": {"read": "Reading", "introspection": "Asking"}, "DEFAULT_SCOPES": ["read"]},
)
application = get_wsgi_application()
urlpatterns = [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider"))]


def main() -> None:
    """Make the tables and the client. The secret is not hashed: with the default each request costs a slow hash."""
    from django.core.management import call_command  # noqa: PLC0415 - after the settings
    from oauth2_provider.models import Application  # noqa: PLC0415 - as above

    call_command("migrate", verbosity=0)
    Application.objects.create(
        client_id=CLIENT,
        client_secret=SECRET,
        hash_client_secret=False,
        name="bench",
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
    )


if __name__ == "__main__":
    django.setup()
    main()
