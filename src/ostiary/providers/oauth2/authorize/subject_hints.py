"""Whom the application expects: id_token_hint, the claim `sub` with a value, and how they have to have signed in.

OpenID Connect Core 3.1.2.1 (id_token_hint), 5.5.1 and 5.5.1.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary.proto.jose import JoseError
from ostiary.proto.oauth2.errors import INVALID_REQUEST, UNMET_AUTHENTICATION, OAuthError
from ostiary.providers.oauth2.tokens.claims import ACR, MFA, sub_claim

if TYPE_CHECKING:
    from ostiary.providers.oauth2.authorize.authorization_context import AuthorizationContext
    from ostiary.providers.oauth2.provider.client import Client


CLASSES: Final = (ACR, MFA)
"""The classes of sign-in that can be asked for."""

_SEVERAL: Final = "mfa"  # RFC 8176 2


def require_possible_expectations(context: AuthorizationContext) -> None:
    """Refuse what can never be met, before anybody signs in. Raises OAuthError."""
    wanted = context.wanted
    if wanted.id_token_hint is not None:
        context.hinted = hinted_subject(context.client, wanted.id_token_hint)
    acr = wanted.claims.find("id_token", "acr")
    if acr is not None and acr.essential and not any(acr.accepts(one) for one in CLASSES):
        raise OAuthError(UNMET_AUTHENTICATION, "acr is essential and not known here")


def is_expected(context: AuthorizationContext) -> bool:
    """Return whether the person signed in is the one the application speaks of."""
    _, subject = context.signed_in
    claims = context.wanted.claims
    requested = (claims.find("id_token", "sub"), claims.find("userinfo", "sub"))
    if context.hinted is None and not any(requested):
        return True
    sub = sub_claim(subject, context.client, salt=context.services.users.install_id)
    return context.hinted in {None, sub} and all(item is None or item.accepts(sub) for item in requested)


def is_strong_enough(context: AuthorizationContext) -> bool:
    """Return whether the sign-in is of a class the application finds essential (5.5.1.1)."""
    acr = context.wanted.claims.find("id_token", "acr")
    return acr is None or not acr.essential or any(acr.accepts(one) for one in reached(context))


def reached_class(context: AuthorizationContext) -> str | None:
    """Return the `acr` of the ID token: the first requested class that was reached; None is the default class.

    By name (`claims`), then by preference (acr_values). A class that was not reached is never claimed.
    """
    acr = context.wanted.claims.find("id_token", "acr")
    requested = (*(acr.values if acr is not None else ()), *context.wanted.acr_values)
    # guard: A36 an authentication class that was not reached is never claimed
    best = next((one for one in requested if one in reached(context)), ACR)
    return None if best == ACR else str(best)


def reached(context: AuthorizationContext) -> frozenset[str]:
    """Return the classes of the present sign-in, from what it was proved with.

    A device that was set up on the way is a second factor in hand, though `amr` does not name it: whoever has just
    done what an essential class asked for is not asked again.
    """
    session, _ = context.signed_in
    several = _SEVERAL in session.amr or (bool(session.amr) and bool(session.auth_args.get("mfa_devices")))
    return frozenset({ACR, MFA}) if several else frozenset({ACR})


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
