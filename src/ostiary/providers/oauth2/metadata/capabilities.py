"""Capabilities of one client for its metadata, derived from the provider and its keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ostiary.proto.jose import JoseError, algorithms_for
from ostiary.proto.jose.jwks import verifying_keys
from ostiary.proto.oauth2.authorization.pkce import METHODS
from ostiary.proto.oauth2.clients.dpop import ALGORITHMS
from ostiary.proto.oauth2.provider_metadata import Capabilities, Signing
from ostiary.proto.oauth2.scope import OFFLINE_ACCESS
from ostiary.providers.oauth2.authorize.subject_hints import CLASSES
from ostiary.providers.oauth2.authorize.validation import pkce_rule
from ostiary.providers.oauth2.client_authentication.authentication import BY_SECRET
from ostiary.providers.oauth2.provider.client import Client, offered_scopes
from ostiary.providers.oauth2.provider.fields import DEVICE_CODE

if TYPE_CHECKING:
    from ostiary.providers.oauth2.options import Options

_SECRET_METHODS: Final = ("client_secret_post", "client_secret_basic")


def capabilities_of(client: Client, options: Options, *, locales: Iterable[str], devices: bool) -> Capabilities:
    """Return the capabilities of a client under these settings.

    `locales` are the languages of the pages; `devices` says whether this host has a page for device codes.
    """
    provider = client.provider
    bound = provider.tls_client_certificate_bound_access_tokens
    return Capabilities(
        grant_types=_grant_types(client, devices=devices),
        scopes=offered_scopes(client),
        claims=client.claim_set.claim_names(),
        acr=CLASSES,
        auth_methods=("none",) if client.public else _methods(client),
        introspection_methods=_methods(client),
        challenge_methods=("S256",) if pkce_rule(client) == "s256" else METHODS,
        locales=sorted(locales),
        front_tokens=provider.dpop != "required" and not bound,
        signing=_signing(client),
        pairwise=provider.sub_mode == "pairwise",
        certificate_bound=bound and bool(options.certificate_header),
        pushed_only=provider.require_pushed_authorization_requests,
        signed_requests_only=provider.require_signed_request_object,
        backchannel_logout=provider.logout_method == "backchannel",
        frontchannel_logout=provider.logout_method == "frontchannel",
    )


def _grant_types(client: Client, *, devices: bool) -> tuple[str, ...]:
    """Return the grants that can succeed: no refresh without offline_access, no client credentials of a public one."""
    useless = {"client_credentials", "password"} if client.public else set()
    if not devices:
        useless.add(DEVICE_CODE)
    if OFFLINE_ACCESS not in client.scopes:
        useless.add("refresh_token")
    return tuple(name for name in client.provider.grant_types if name not in useless)


def _methods(client: Client) -> tuple[str, ...]:
    provider = client.provider
    method = provider.token_endpoint_auth_method
    if method in BY_SECRET and not provider.client_secret:
        return ()
    return _SECRET_METHODS if method == "secret" else (method,)


def _signing(client: Client) -> Signing:
    provider, algorithm, recipient = client.provider, client.key.algorithm, client.keys.client
    published = _published(client)
    secret = b"" if client.public else provider.client_secret.reveal().encode()
    own = algorithms_for(secret) if secret else ()
    decrypter = client.keys.own
    by_secret = provider.token_endpoint_auth_method == "client_secret_jwt"  # noqa: S105 - the name of a method
    return Signing(
        tokens=algorithm,
        userinfo=(algorithm,) if provider.userinfo_signed else (),
        request_objects=(*published, *own),
        client_assertions=own if by_secret else published,
        proofs=ALGORITHMS,
        request_encryption=() if decrypter is None else (decrypter.algorithm,),
        encryption=None if recipient is None else (recipient.algorithm, recipient.content),
    )


def _published(client: Client) -> tuple[str, ...]:
    """Return the algorithms of the keys in the client's `jwks`."""
    try:
        return tuple(dict.fromkeys(key.algorithm for key in verifying_keys(client.provider.jwks)))
    except JoseError:
        return ()
