"""The definition of applications."""

from __future__ import annotations

import pytest

from ostiary.applications.lookup import application_of
from ostiary.applications.resources import RESERVED_SLUGS, Application
from ostiary.providers.oauth2.provider.definition import OAuth2Provider
from ostiary.resource import InvalidResource, Registry
from ostiary.store.configuration.snapshot import Snapshot


@pytest.mark.parametrize("slug", sorted(RESERVED_SLUGS))
def test_slugs_of_endpoints_are_reserved(slug: str) -> None:
    values = Application.KIND.parse({"name": "A", "slug": slug})
    with pytest.raises(InvalidResource, match="reserved"):
        Application.KIND.make("1", values)


def test_defaults() -> None:
    made = Application.KIND.make("1", Application.KIND.parse({"name": "A", "slug": "a-1_B"}))
    assert made.policy_engine_mode == "any"
    assert made.provider is None
    with pytest.raises(InvalidResource, match="slug"):
        Application.KIND.parse({"name": "A", "slug": "a b"})


def test_the_application_of_a_provider() -> None:
    registry = Registry([Application, OAuth2Provider])
    one = Application(pk="1", name="One", slug="one", provider=5)
    snapshot = Snapshot.of(registry, [one, Application(pk="2", name="Two", slug="two")])
    assert application_of(snapshot, 5) is one
    assert application_of(snapshot, 6) is None
