"""The definition of an OAuth2 provider: one client, its keys, lifetimes and redirect addresses."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from ostiary.proto.oauth2.redirect import check_pattern
from ostiary.resource import (
    DURATION,
    UNIQUE,
    Help,
    Length,
    Numbering,
    OnDelete,
    Pattern,
    Problem,
    Reading,
    Reference,
    Resource,
    Sealed,
    kind,
)
from ostiary.seal import Secret

_ALPHABET: Final = string.ascii_letters + string.digits
_VISIBLE: Final = r"[\x20-\x7e]+"


def new_client_id() -> str:
    """Return 40 random letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(40))


def new_client_secret() -> Secret:
    """Return 128 random letters and digits."""
    return Secret("".join(secrets.choice(_ALPHABET) for _ in range(128)))


@dataclass(frozen=True, slots=True)
class RedirectURI:
    """One address, or pattern of addresses, to which answers may be sent."""

    matching_mode: Literal["strict", "regex"]
    url: str


def check_provider(item: OAuth2Provider) -> Iterable[Problem]:
    """Check what one field cannot: usable redirect patterns, and options that this version does not serve."""
    for index, uri in enumerate(item.redirect_uris):
        expected = check_pattern(uri.matching_mode, uri.url)
        if expected is not None:
            yield Problem("redirect_uris", f"item {index}: {expected}")
    if item.signing_key is None and not item.client_secret:
        yield Problem("client_secret", "signs the tokens as long as there is no signing_key, expected a text")
    if item.encryption_key is not None:
        yield Problem("encryption_key", "encrypted tokens are not available yet, expected null")


@kind(
    "authentik_providers_oauth2.oauth2provider",
    verbose_name="OAuth2/OpenID Provider",
    component="ak-provider-oauth2-form",
    routes="providers/oauth2",
    numbering=Numbering.INTEGER,
    families=("authentik_core.provider",),
    check=check_provider,
)
class OAuth2Provider(Resource):
    """One OAuth2 client."""

    name: Annotated[str, UNIQUE, Length(1)]
    authorization_flow: Annotated[
        str, Reference("authentik_flows.flow"), Help("Flow that people pass before the application gets an answer.")
    ]
    invalidation_flow: Annotated[
        str, Reference("authentik_flows.flow"), Help("Flow that is run when the application signs people out.")
    ]
    redirect_uris: Annotated[
        tuple[RedirectURI, ...], Help("Where answers may be sent. With an empty list every request is refused.")
    ]
    authentication_flow: Annotated[
        str | None,
        Reference("authentik_flows.flow", OnDelete.SET_NULL),
        Help("Flow in which people sign in; without it the brand's."),
    ] = None
    property_mappings: Annotated[
        tuple[str, ...],
        Reference("authentik_core.propertymapping", OnDelete.SET_NULL),
        Help("Scopes the client may ask for, and their claims."),
    ] = ()
    client_type: Annotated[
        Literal["confidential", "public"], Help("Public clients cannot keep a secret and have none.")
    ] = "confidential"
    client_id: Annotated[
        str, UNIQUE, Length(1, 255), Pattern(_VISIBLE, "visible ASCII characters (RFC 6749 appendix A)")
    ] = field(default_factory=new_client_id)
    client_secret: Annotated[
        Secret, Sealed(Reading.REVEALABLE), Length(0, 255), Help("Known to the application only.")
    ] = field(default_factory=new_client_secret)
    access_code_validity: Annotated[str, DURATION, Help("Lifetime of authorization codes.")] = "minutes=1"
    access_token_validity: Annotated[str, DURATION, Help("Lifetime of access and ID tokens.")] = "hours=1"  # noqa: S105
    refresh_token_validity: Annotated[str, DURATION, Help("Lifetime of refresh tokens.")] = "days=30"  # noqa: S105
    refresh_token_threshold: Annotated[
        str, DURATION, Help("A refresh token is replaced when it has less than this left; 0 replaces it at each use.")
    ] = "seconds=0"  # noqa: S105
    include_claims_in_id_token: Annotated[bool, Help("Put the claims of the scopes into the ID token as well.")] = True
    signing_key: Annotated[
        str | None,
        Reference("authentik_crypto.certificatekeypair"),
        Help("Key that signs tokens; without it they are signed with the client secret (HS256)."),
    ] = None
    encryption_key: Annotated[
        str | None, Reference("authentik_crypto.certificatekeypair"), Help("Key to which tokens are encrypted.")
    ] = None
    logout_uri: Annotated[str, Help("Where the application is told that a session has ended.")] = ""
    logout_method: Annotated[
        Literal["backchannel", "frontchannel"], Help("Whether it is told by the server or through the browser.")
    ] = "backchannel"
    sub_mode: Annotated[
        Literal["hashed_user_id", "user_id", "user_uuid", "user_username", "user_email", "user_upn"],
        Help("What the subject of tokens is made of."),
    ] = "hashed_user_id"
    issuer_mode: Annotated[
        Literal["global", "per_provider"], Help("Whether each application has an issuer of its own.")
    ] = "per_provider"
    jwt_federation_sources: Annotated[
        tuple[str, ...], Reference("authentik_sources_oauth.oauthsource", OnDelete.SET_NULL)
    ] = ()
    jwt_federation_providers: Annotated[
        tuple[int, ...], Reference("authentik_providers_oauth2.oauth2provider", OnDelete.SET_NULL)
    ] = ()
