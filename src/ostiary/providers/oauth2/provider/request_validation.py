"""Validation of what a provider demands of authorization requests. Done when a provider is saved."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ostiary.proto.oauth2.authorization.redirect import is_safe_redirect_uri
from ostiary.resource import Problem

if TYPE_CHECKING:
    from ostiary.providers.oauth2.provider.fields import OAuth2ProviderFields


def validate_requests(item: OAuth2ProviderFields) -> Iterable[Problem]:
    """Yield the problems of resource indicators, and of signed requests without a key that could verify them."""
    for index, uri in enumerate(item.resources):
        if not is_safe_redirect_uri(uri):
            yield Problem("resources", f"item {index}: expected an absolute address without a fragment (RFC 8707 2)")
    secret = item.client_type == "confidential" and bool(item.client_secret)
    if item.require_signed_request_object and not secret and not item.jwks.get("keys"):
        yield Problem("jwks", "requests have to be signed, expected the client's keys for it")
