"""A site with social-auth-core's OpenIdConnectAuth: the least strategy and storage that its documentation asks for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from party_blueprint import CALLBACK, SECRET
from social_core.backends.open_id_connect import OpenIdConnectAuth
from social_core.storage import AssociationMixin, BaseStorage, NonceMixin
from social_core.strategy import BaseStrategy

PIPELINE = (
    "social_core.pipeline.social_auth.social_details",
    "social_core.pipeline.social_auth.social_uid",
    "social_core.pipeline.social_auth.auth_allowed",
    "social_site.keep_person",
)


class Nonce(NonceMixin):
    """Values used once, for as long as the test."""

    seen: set[tuple[str, int, str]] = set()  # noqa: RUF012 - the framework wants classes, not objects

    @classmethod
    def use(cls, server_url: str, timestamp: int, salt: str) -> bool:
        fresh = (server_url, timestamp, salt) not in cls.seen
        cls.seen.add((server_url, timestamp, salt))
        return fresh

    @classmethod
    def consume(cls, server_url: str, timestamp: int, salt: str) -> bool:
        known = (server_url, timestamp, salt) in cls.seen
        cls.seen.discard((server_url, timestamp, salt))
        return known


@dataclass
class BoundedCache:
    """A nonce of OpenID Connect, which this library keeps in OpenID 2's table."""

    id: int
    handle: str
    assoc_type: str
    expires: int

    def is_expired(self) -> bool:
        return time.time() > self.expires


class Association(AssociationMixin):
    """Nonces by number, for as long as the test."""

    kept: dict[int, BoundedCache] = {}  # noqa: RUF012 - the framework wants classes, not objects

    @classmethod
    def store(cls, server_url: str, association: Any) -> None:  # noqa: ARG003 - the nonces name their place themselves
        number = len(cls.kept) + 1
        expires = association.issued + association.lifetime
        cls.kept[number] = BoundedCache(number, association.handle, association.assoc_type, expires)

    @classmethod
    def get(cls, server_url: str | None = None, handle: str | None = None) -> list[BoundedCache]:  # noqa: ARG003
        return [one for one in cls.kept.values() if one.handle == handle]

    @classmethod
    def remove(cls, ids_to_delete: list[int]) -> None:
        for number in ids_to_delete:
            cls.kept[number].expires = 0


class Storage(BaseStorage):
    nonce = Nonce
    association = Association


class Strategy(BaseStrategy[Any]):
    """A site as one object: settings, one visitor's session, and the request at hand."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(Storage)
        self.settings = settings
        self.session: dict[str, Any] = {}
        self.request: dict[str, str] = {}

    def get_setting(self, name: str) -> Any:
        return self.settings[name]

    def redirect(self, url: str) -> str:
        return url

    def html(self, content: str) -> str:
        return content

    def request_data(self, merge: bool = True) -> dict[str, str]:
        return self.request

    def get_request_data(self, merge: bool = True) -> dict[str, str]:
        return self.request

    def request_host(self) -> str:
        return "localhost:9"

    def session_get(self, name: str, default: Any = None) -> Any:
        return self.session.get(name, default)

    def session_set(self, name: str, value: Any) -> None:
        self.session[name] = value

    def session_pop(self, name: str) -> Any:
        return self.session.pop(name, None)

    def build_absolute_uri(self, path: str | None = None) -> str:
        return path or CALLBACK


class Person(dict[str, Any]):
    """Whom the site signed in: the claims of userinfo."""

    is_active = True
    social_user: Any = None
    is_new = False


def keep_person(backend: Any, uid: str, details: dict[str, Any], response: dict[str, Any], **_: Any) -> dict[str, Any]:
    return {"user": Person(uid=uid, details=details, response=response)}


class SocialSite:
    """One visitor's way through the site."""

    def __init__(
        self, issuer: str, client: str, *, secret: str = SECRET, redirect_uri: str = CALLBACK, **more: Any
    ) -> None:
        settings = {"OIDC_ENDPOINT": issuer.rstrip("/"), "KEY": client, "SECRET": secret, "PIPELINE": PIPELINE, **more}
        self.strategy = Strategy({f"SOCIAL_AUTH_OIDC_{name}": value for name, value in settings.items()})
        self.redirect_uri = redirect_uri
        self.backend = self._backend()

    def _backend(self) -> Any:
        return OpenIdConnectAuth(self.strategy, redirect_uri=self.redirect_uri)

    def begin(self) -> str:
        """Return the address to which the visitor is sent."""
        self.backend = self._backend()
        return str(self.backend.start())

    def complete(self, url: str) -> Person:
        """Take the visitor back. Raises what social-auth-core raises."""
        self.strategy.request = dict(parse_qsl(urlsplit(url).query))
        self.backend = self._backend()
        found: Person = self.backend.complete(now=time.time())
        return found
