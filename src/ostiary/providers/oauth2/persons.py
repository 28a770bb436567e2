"""Whom the application expects: id_token_hint, the claim `sub` with a value, and how they have to have signed in.

OpenID Connect Core 3.1.2.1 (id_token_hint), 5.5.1 and 5.5.1.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ostiary.proto.jose import JoseError
from ostiary.proto.oauth2.errors import INVALID_REQUEST, UNMET_AUTHENTICATION, OAuthError
from ostiary.providers.oauth2.claims import ACR, subject_of

if TYPE_CHECKING:
    from ostiary.providers.oauth2.client import Client
    from ostiary.providers.oauth2.inquiry import Inquiry


def check_expectations(inquiry: Inquiry) -> None:
    """Refuse what can never be met, before anybody signs in. Raises OAuthError."""
    wanted = inquiry.wanted
    if wanted.id_token_hint is not None:
        inquiry.hinted = hinted_subject(inquiry.client, wanted.id_token_hint)
    acr = wanted.claims.find("id_token", "acr")
    if acr is not None and acr.essential and not acr.accepts(ACR):
        raise OAuthError(UNMET_AUTHENTICATION, "acr is essential and not known here")


def is_expected(inquiry: Inquiry) -> bool:
    """Tell whether the person signed in is the one the application speaks of."""
    _, subject = inquiry.signed_in
    claims = inquiry.wanted.claims
    asked = (claims.find("id_token", "sub"), claims.find("userinfo", "sub"))
    if inquiry.hinted is None and not any(asked):
        return True
    sub = subject_of(subject, inquiry.client, salt=inquiry.services.users.install_id)
    return inquiry.hinted in {None, sub} and all(item is None or item.accepts(sub) for item in asked)


def hinted_subject(client: Client, hint: str) -> str:
    """Return whom an ID token of this client is about; an expired one is as good. Raises OAuthError."""
    try:
        claims: Mapping[str, object] = client.read_own(hint)
    except JoseError as error:
        raise _bad_hint(str(error)) from error
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    sub = claims.get("sub")
    if client.provider.client_id not in named or not isinstance(sub, str):
        raise _bad_hint("issued to another client")
    return sub


def _bad_hint(reason: str) -> OAuthError:
    return OAuthError(INVALID_REQUEST, f"id_token_hint: {reason}", description="The id_token_hint is not valid.")
