"""The definition of an OAuth source: an issuer elsewhere, and how we are its client."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Annotated, Final, Literal

from ostiary.proto.jose import JoseError
from ostiary.proto.jose.jwks import verifying_keys
from ostiary.record import dataclass
from ostiary.resource import (
    SLUG,
    UNIQUE,
    Help,
    Length,
    OnDelete,
    Problem,
    Reading,
    Reference,
    Resource,
    Sealed,
    kind,
)
from ostiary.seal import Secret
from ostiary.web.outgoing.documents import document_url_problem
from ostiary.web.outgoing.requests import url_problem

SOURCE: Final = "authentik_core.source"

_FLOW: Final = Reference("authentik_flows.flow", OnDelete.SET_NULL)
_MAPPINGS: Final = Reference("authentik_core.propertymapping", OnDelete.SET_NULL)
_SLUG_HERE: Final = "%(slug)s"
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

ProviderType = Literal[
    "openidconnect", "apple", "entraid", "azuread", "discord", "facebook", "github", "gitlab", "google", "mailcow",
    "okta", "patreon", "reddit", "slack", "twitch", "twitter", "wechat",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Source(Resource):
    """What every source has. A reference to the family leads to any of them."""

    name: Annotated[str, Length(1), Help("What people read where they choose how to sign in.")]
    slug: Annotated[str, SLUG, UNIQUE, Length(1), Help("Name of the source in addresses.")]
    enabled: Annotated[bool, Help("A source that is not enabled proves nobody.")] = True
    promoted: Annotated[bool, Help("Shown before the others.")] = False
    authentication_flow: Annotated[str | None, _FLOW, Help("Flow for people who are known already.")] = None
    enrollment_flow: Annotated[str | None, _FLOW, Help("Flow for people who are new.")] = None
    user_property_mappings: Annotated[tuple[str, ...], _MAPPINGS] = ()
    group_property_mappings: Annotated[tuple[str, ...], _MAPPINGS] = ()
    policy_engine_mode: Annotated[Literal["all", "any"], Help("Whether all bindings must pass, or one is enough.")] = (
        "any"
    )
    user_matching_mode: Annotated[
        Literal["identifier", "email_link", "email_deny", "username_link", "username_deny"],
        Help("How somebody of the source is found among the users."),
    ] = "identifier"
    user_path_template: Annotated[str, Length(1), Help("Path of the users it makes; %(slug)s is filled in.")] = (
        "goauthentik.io/sources/%(slug)s"
    )
    icon: Annotated[str, Help("Path or address of the icon.")] = ""
    group_matching_mode: Annotated[
        Literal["identifier", "name_link", "name_deny"], Help("How a group of the source is found among the groups.")
    ] = "identifier"

    @property
    def user_path(self) -> str:
        """The path of the users this source makes."""
        return self.user_path_template.replace(_SLUG_HERE, self.slug)


def validate_source(item: OAuthSource) -> Iterable[Problem]:
    """Check addresses, keys and path of a source."""
    if "%" in item.user_path_template.replace(_SLUG_HERE, ""):
        yield Problem("user_path_template", f"expected a path in which only {_SLUG_HERE} is filled in")
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
            yield Problem("oidc_jwks", f"key {index}: it is nobody's but the issuer's, expected its public half")


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
    """One issuer that speaks OAuth or OpenID Connect."""

    provider_type: Annotated[ProviderType, Help("Whose dialect the source speaks.")]
    request_token_url: Annotated[str | None, Help("Address for OAuth 1 only.")] = None
    authorization_url: Annotated[str | None, Help("Where people are sent to sign in.")] = None
    access_token_url: Annotated[str | None, Help("Where codes are exchanged.")] = None
    profile_url: Annotated[str | None, Help("Where the person's claims are read.")] = None
    pkce: Annotated[Literal["none", "plain", "S256"], Help("Proof key for the codes of the source.")] = "none"
    consumer_key: Annotated[str, Length(1), Help("Our client id at the source.")]
    consumer_secret: Annotated[Secret, Sealed(Reading.WRITE_ONLY), Help("Our client secret at the source.")]
    additional_scopes: Annotated[str, Help("Scopes beside the usual ones; with a leading * in place of them.")] = ""
    oidc_well_known_url: Annotated[str, Help("Discovery document of the source; tells issuer and keys.")] = ""
    oidc_jwks_url: Annotated[str, Help("Where the keys of the source are read, instead of what discovery says.")] = ""
    oidc_jwks: Annotated[Mapping[str, object], Help("Keys of the source; they count when no address is given.")] = (
        field(default_factory=dict)
    )
    authorization_code_auth_method: Annotated[
        Literal["basic_auth", "post_body"], Help("How we prove ourselves at the source.")
    ] = "basic_auth"
