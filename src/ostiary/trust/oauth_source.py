"""The OAuth source: another identity provider, and our client there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Annotated, Final, Literal

from ostiary.proto.jose import JoseError
from ostiary.proto.jose.jwks import verifying_keys
from ostiary.resource import Help, Length, Problem, Reading, Sealed, kind
from ostiary.seal import Secret
from ostiary.trust.source import SLUG_PLACEHOLDER, SOURCE, Source
from ostiary.web.outgoing.documents import document_url_problem
from ostiary.web.outgoing.requests import url_problem

_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

ProviderType = Literal[
    "openidconnect", "apple", "entraid", "azuread", "discord", "facebook", "github", "gitlab", "google", "mailcow",
    "okta", "patreon", "reddit", "slack", "twitch", "twitter", "wechat",
]  # fmt: skip


def validate_source(item: OAuthSource) -> Iterable[Problem]:
    """Yield the problems of a source: its addresses, keys, scopes and user path."""
    if "%" in item.user_path_template.replace(SLUG_PLACEHOLDER, ""):
        yield Problem("user_path_template", f"expected a path in which only {SLUG_PLACEHOLDER} is filled in")
    for name in ("request_token_url", "authorization_url", "access_token_url", "profile_url"):
        url = getattr(item, name)
        if url and (expected := url_problem(url)) is not None:
            yield Problem(name, expected)
    for name in ("oidc_well_known_url", "oidc_jwks_url"):
        url = getattr(item, name)
        if url and (expected := document_url_problem(url)) is not None:
            yield Problem(name, expected)
    if item.oidc_jwks:
        yield from _validate_keys(item.oidc_jwks)
    if item.additional_scopes and re.fullmatch(r"[\x20-\x7e]*", item.additional_scopes) is None:
        yield Problem("additional_scopes", "expected scopes of visible ASCII characters, separated by spaces")


def _validate_keys(jwks: Mapping[str, object]) -> Iterable[Problem]:
    try:
        verifying_keys(jwks)
    except JoseError as error:
        yield Problem("oidc_jwks", str(error))
        return
    listed = jwks.get("keys")
    for index, key in enumerate(listed if isinstance(listed, list | tuple) else ()):
        if _PRIVATE & key.keys():
            yield Problem("oidc_jwks", f"key {index} is a private key, expected its public key")


@kind(
    "authentik_sources_oauth.oauthsource",
    verbose_name="OAuth Source",
    component="ak-source-oauth-form",
    routes="sources/oauth",
    families=(SOURCE, "authentik_policies.policybindingmodel"),
    lookup_field="slug",
    check=validate_source,
)
class OAuthSource(Source):
    """A source that speaks OAuth or OpenID Connect."""

    provider_type: Annotated[ProviderType, Help("Vendor whose dialect the source speaks.")]
    request_token_url: Annotated[str | None, Help("Request token endpoint, for OAuth 1 only.")] = None
    authorization_url: Annotated[str | None, Help("Authorization endpoint: where people sign in.")] = None
    access_token_url: Annotated[str | None, Help("Token endpoint: where codes are exchanged.")] = None
    profile_url: Annotated[str | None, Help("Userinfo endpoint of the source.")] = None
    pkce: Annotated[Literal["none", "plain", "S256"], Help("PKCE method for the codes of the source.")] = "none"
    consumer_key: Annotated[str, Length(1), Help("Our client id at the source.")]
    consumer_secret: Annotated[Secret, Sealed(Reading.WRITE_ONLY), Help("Our client secret at the source.")]
    additional_scopes: Annotated[str, Help("Scopes added to the default ones; a leading * replaces those.")] = ""
    oidc_well_known_url: Annotated[str, Help("Discovery document: the issuer, and the address of its keys.")] = ""
    oidc_jwks_url: Annotated[str, Help("Address of the key set, in place of the one in the discovery document.")] = ""
    oidc_jwks: Annotated[Mapping[str, object], Help("Keys of the source. Used if no address is configured.")] = field(
        default_factory=dict
    )
    authorization_code_auth_method: Annotated[
        Literal["basic_auth", "post_body"], Help("Client authentication at the source.")
    ] = "basic_auth"
