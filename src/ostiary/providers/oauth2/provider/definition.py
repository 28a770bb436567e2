"""The definition of an OAuth2 provider: its fields, and what has to fit together in them."""

from __future__ import annotations

from collections.abc import Iterable

from ostiary.applications.provider import PROVIDER, LogoutChannel
from ostiary.proto.oauth2.authorization.redirect import origin, pattern_problem, sectors
from ostiary.providers.oauth2.provider.client_validation import validate_client
from ostiary.providers.oauth2.provider.fields import OAuth2ProviderFields
from ostiary.providers.oauth2.provider.key_validation import validate_keys
from ostiary.providers.oauth2.provider.request_validation import validate_requests
from ostiary.resource import (
    Numbering,
    Problem,
    kind,
)
from ostiary.web.outgoing.requests import url_problem


def validate_provider(item: OAuth2ProviderFields) -> Iterable[Problem]:
    """Yield the problems of a provider: redirect addresses, logout address, client secret, client and requests."""
    for index, uri in enumerate(item.redirect_uris):
        expected = pattern_problem(uri.matching_mode, uri.url)
        if expected is not None:
            yield Problem("redirect_uris", f"item {index}: {expected}")
    for index, uri in enumerate(item.post_logout_redirect_uris):
        expected = pattern_problem(uri.matching_mode, uri.url)
        if expected is not None:
            yield Problem("post_logout_redirect_uris", f"item {index}: {expected}")
    if item.logout_uri and (expected := url_problem(item.logout_uri)) is not None:
        yield Problem("logout_uri", expected)
    if item.signing_key is None and not item.client_secret:
        yield Problem("client_secret", "signs the tokens as long as there is no signing_key, expected a text")
    yield from validate_client(item)
    yield from validate_requests(item)
    yield from _validate_sector(item)


def _validate_sector(item: OAuth2ProviderFields) -> Iterable[Problem]:
    """Yield a problem unless pairwise subjects have one host in all redirect addresses (OpenID Connect Core 8.1)."""
    if item.sub_mode != "pairwise":
        return
    if any(uri.matching_mode == "regex" for uri in item.redirect_uris):
        yield Problem("sub_mode", "pairwise needs redirect_uris with matching_mode strict, expected no regex")
        return
    hosts = sectors(uri.url for uri in item.redirect_uris)
    if len(hosts) != 1 or not hosts[0]:
        listed = ", ".join(host or "none" for host in hosts) or "none"
        yield Problem("sub_mode", f"pairwise needs one host that all redirect_uris share, expected one, found {listed}")


@kind(
    "authentik_providers_oauth2.oauth2provider",
    verbose_name="OAuth2/OpenID Provider",
    component="ak-provider-oauth2-form",
    routes="providers/oauth2",
    numbering=Numbering.INTEGER,
    families=(PROVIDER,),
    check=validate_provider,
    check_with=validate_keys,
)
class OAuth2Provider(OAuth2ProviderFields):
    """One OAuth2 client."""

    def launch_url(self) -> str | None:
        """Return the origin of the first strict redirect address."""
        origins = (origin(entry.url) for entry in self.redirect_uris if entry.matching_mode == "strict")
        first = next((item for item in origins if item is not None), None)
        return None if first is None else f"{first}/"

    def logout_channel(self) -> LogoutChannel | None:
        """Return how the application hears of a logout; None without an address for it."""
        return self.logout_method if self.logout_uri else None
