"""The definition of applications, and the family of providers."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary.applications.by_provider import application_of, provider_of
from ostiary.applications.provider import Provider
from ostiary.applications.resources import RESERVED_SLUGS, Application
from ostiary.providers.oauth2.provider.definition import OAuth2Provider
from ostiary.providers.oauth2.provider.fields import RedirectURI
from ostiary.resource import InvalidResource, Registry
from ostiary.store.configuration.snapshot import Snapshot


@pytest.mark.parametrize("slug", sorted(RESERVED_SLUGS))
def test_slugs_of_endpoints_are_reserved(slug: str) -> None:
    values = Application.KIND.parse({"name": "A", "slug": slug})
    with pytest.raises(InvalidResource, match="reserved"):
        Application.KIND.make("1", values)


def test_defaults() -> None:
    application = Application.KIND.make("1", Application.KIND.parse({"name": "A", "slug": "a-1_B"}))
    assert application.policy_engine_mode == "any"
    assert application.provider is None
    with pytest.raises(InvalidResource, match="slug"):
        Application.KIND.parse({"name": "A", "slug": "a b"})


def provider(
    *uris: RedirectURI, pk: int = 5, logout_uri: str = "", logout_method: Any = "backchannel"
) -> OAuth2Provider:
    return OAuth2Provider(
        pk=pk,
        name="One",
        authorization_flow="a",
        invalidation_flow="i",
        redirect_uris=uris,
        logout_uri=logout_uri,
        logout_method=logout_method,
    )


def test_the_application_of_a_provider() -> None:
    registry = Registry([Application, OAuth2Provider])
    one = Application(pk="1", name="One", slug="one", provider=5)
    snapshot = Snapshot.of(registry, [one, Application(pk="2", name="Two", slug="two")])
    assert application_of(snapshot, 5) is one
    assert application_of(snapshot, 6) is None


def test_the_provider_of_an_application() -> None:
    registry, oauth2 = Registry([Application, OAuth2Provider]), provider()
    one, lost = (
        Application(pk="1", name="One", slug="one", provider=5),
        Application(pk="2", name="L", slug="l", provider=6),
    )
    snapshot = Snapshot.of(registry, [one, lost, oauth2])
    assert provider_of(snapshot, one) is oauth2
    assert provider_of(snapshot, lost) is None
    assert provider_of(snapshot, Application(pk="3", name="None", slug="none")) is None


def test_the_launch_url_is_the_origin_of_the_first_strict_redirect_address() -> None:
    uris = RedirectURI("regex", "https://a.example/.*"), RedirectURI("strict", "https://b.example:8443/cb?x=1")
    assert provider(*uris).launch_url() == "https://b.example:8443/"
    assert provider().launch_url() is None
    assert provider(RedirectURI("strict", "app:/cb"), uris[1]).launch_url() == "https://b.example:8443/"


@pytest.mark.parametrize("method", ["backchannel", "frontchannel"])
def test_a_provider_with_a_logout_uri_has_a_logout_channel(method: str) -> None:
    assert provider(logout_uri="https://a.example/out", logout_method=method).logout_channel() == method
    assert provider(logout_method=method).logout_channel() is None


def test_a_bare_provider_has_no_launch_url_and_no_logout_channel() -> None:
    plain = Provider(pk=1, name="Plain")
    assert plain.launch_url() is None
    assert plain.logout_channel() is None
