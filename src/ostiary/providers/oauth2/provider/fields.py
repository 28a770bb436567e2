"""Fields of the OAuth2 provider: client, keys, lifetimes and redirect addresses."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Final, Literal

from ostiary.applications.provider import SignOnProvider
from ostiary.record import dataclass
from ostiary.resource import (
    DURATION,
    UNIQUE,
    Help,
    Length,
    OnDelete,
    Pattern,
    Reading,
    Reference,
    Sealed,
)
from ostiary.seal import Secret

_ALPHABET: Final = string.ascii_letters + string.digits
DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
GrantType = Literal[
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "password",
    "implicit",
    "urn:ietf:params:oauth:grant-type:device_code",
]
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


@dataclass(frozen=True, kw_only=True)
class OAuth2ProviderFields(SignOnProvider):
    """One OAuth2 client, before anything about it is validated."""

    redirect_uris: Annotated[
        tuple[RedirectURI, ...], Help("Where answers may be sent. With an empty list every request is refused.")
    ]
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
    include_claims_in_id_token: Annotated[
        bool, Help("Put the claims of the scopes into ID and access tokens; without it userinfo alone tells them.")
    ] = True
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
        Literal["hashed_user_id", "user_id", "user_uuid", "user_username", "user_email", "user_upn", "pairwise"],
        Help("What the subject of tokens is made of."),
    ] = "hashed_user_id"
    issuer_mode: Annotated[
        Literal["global", "per_provider"], Help("Whether each application has an issuer of its own.")
    ] = "per_provider"
    jwt_federation_sources: Annotated[
        tuple[str, ...],
        Reference("authentik_sources_oauth.oauthsource", OnDelete.SET_NULL),
        Help("Sources whose tokens prove a program at client_credentials (RFC 7523)."),
    ] = ()
    jwt_federation_providers: Annotated[
        tuple[int, ...],
        Reference("authentik_providers_oauth2.oauth2provider", OnDelete.SET_NULL),
        Help("Providers whose tokens prove a person or program at client_credentials."),
    ] = ()

    # From here on the fields are Ostiary's own: authentik has no word for them. Each default is what authentik's
    # clients meet, unless RFC 9700 forbids it.
    grant_types: Annotated[
        tuple[GrantType, ...],
        Help("Grants the client may use. RFC 9700 advises against implicit and password: they must be listed to work."),
    ] = ("authorization_code", "refresh_token", "client_credentials", DEVICE_CODE)
    device_code_validity: Annotated[
        str, DURATION, Help("Lifetime of device codes: people have to find another device, and to sign in there.")
    ] = "minutes=5"
    pkce: Annotated[
        Literal["default", "optional", "required", "s256"],
        Help("Whether a code challenge is demanded; default: S256 of public clients, optional for confidential ones."),
    ] = "default"
    token_endpoint_auth_method: Annotated[
        Literal[
            "secret",
            "client_secret_basic",
            "client_secret_post",
            "client_secret_jwt",
            "private_key_jwt",
            "tls_client_auth",
            "self_signed_tls_client_auth",
        ],
        Help("How a confidential client proves itself; secret: basic or post, as it likes."),
    ] = "secret"  # noqa: S105 - the name of a method
    jwks: Annotated[
        Mapping[str, object], Help("The client's public keys (RFC 7517), for assertions, requests and encryption.")
    ] = field(default_factory=dict)
    tls_client_auth_subject_dn: Annotated[
        str, Length(0, 1024), Help("Subject of the client's certificate (RFC 8705), in RFC 4514 form.")
    ] = ""
    tls_client_certificate_bound_access_tokens: Annotated[
        bool, Help("Bind tokens to the client's certificate (RFC 8705).")
    ] = False
    dpop: Annotated[
        Literal["optional", "required"], Help("Whether tokens must be bound to a key of the client (RFC 9449).")
    ] = "optional"
    access_token_format: Annotated[
        Literal["jwt", "rfc9068", "opaque"],
        Help("Form of access tokens: authentik's JWT, the JWT of RFC 9068, or a random text."),
    ] = "jwt"  # noqa: S105
    signing_alg: Annotated[
        Literal["", "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA", "HS256"],
        Help("Algorithm of ID tokens and JWT access tokens; empty: the usual one of the signing key."),
    ] = ""
    userinfo_signed: Annotated[bool, Help("Answer userinfo as a signed JWT (OpenID Connect Core 5.3.2).")] = False
    encryption_alg: Annotated[
        Literal["RSA-OAEP-256", "ECDH-ES"], Help("How the content key of encrypted tokens is sent (RFC 7518 4).")
    ] = "RSA-OAEP-256"
    encryption_enc: Annotated[
        Literal["A256CBC-HS512", "A256GCM"], Help("How the content of tokens is encrypted (RFC 7518 5).")
    ] = "A256CBC-HS512"
    require_pushed_authorization_requests: Annotated[bool, Help("Refuse requests that were not pushed (RFC 9126).")] = (
        False
    )
    require_signed_request_object: Annotated[bool, Help("Refuse requests that are not signed (RFC 9101).")] = False
    post_logout_redirect_uris: Annotated[
        tuple[RedirectURI, ...], Help("Where people may be sent after signing out; empty: none of those.")
    ] = ()
    resources: Annotated[
        tuple[str, ...], Help("Resource indicators the client may name (RFC 8707); empty: the parameter means nothing.")
    ] = ()
    jwt_federation_audiences: Annotated[
        tuple[str, ...], Help("Audiences of tokens of sources that are taken beside our own.")
    ] = ()
    previous_signing_keys: Annotated[
        tuple[str, ...],
        Reference("authentik_crypto.certificatekeypair", OnDelete.SET_NULL),
        Help("Keys that no longer sign and are still published, so that older tokens verify."),
    ] = ()
