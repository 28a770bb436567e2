"""What is imported: constants of authentik, and modules made of definitions of the prelude."""

from __future__ import annotations

from typing import Any, ClassVar

from ostiary.sandbox.language.prelude.texts import now, quote, quote_plus, unquote, unquote_plus, urlencode


class ostiary_module:  # noqa: N801 - a function in the eyes of a program
    """A module."""

    def __init__(self, **names: Any) -> None:
        self.ostiary_own = True
        for name, value in names.items():
            setattr(self, name, value)


django_timezone = ostiary_module(now=now)
urllib_parse = ostiary_module(
    quote=quote, quote_plus=quote_plus, unquote=unquote, unquote_plus=unquote_plus, urlencode=urlencode
)

USER_ATTRIBUTE_DEBUG: str = "goauthentik.io/user/debug"
USER_ATTRIBUTE_GENERATED: str = "goauthentik.io/user/generated"
USER_ATTRIBUTE_EXPIRES: str = "goauthentik.io/user/expires"
USER_ATTRIBUTE_DELETE_ON_LOGOUT: str = "goauthentik.io/user/delete-on-logout"
USER_ATTRIBUTE_SOURCES: str = "goauthentik.io/user/sources"
USER_ATTRIBUTE_TOKEN_EXPIRING: str = "goauthentik.io/user/token-expires"  # noqa: S105 - a name
USER_ATTRIBUTE_CHANGE_USERNAME: str = "goauthentik.io/user/can-change-username"
USER_ATTRIBUTE_CHANGE_NAME: str = "goauthentik.io/user/can-change-name"
USER_ATTRIBUTE_CHANGE_EMAIL: str = "goauthentik.io/user/can-change-email"
USER_PATH_SYSTEM_PREFIX: str = "goauthentik.io"
USER_PATH_SERVICE_ACCOUNT: str = "goauthentik.io/service-accounts"


class UserTypes:
    """The types of users."""

    INTERNAL: ClassVar[str] = "internal"
    EXTERNAL: ClassVar[str] = "external"
    SERVICE_ACCOUNT: ClassVar[str] = "service_account"
    INTERNAL_SERVICE_ACCOUNT: ClassVar[str] = "internal_service_account"
