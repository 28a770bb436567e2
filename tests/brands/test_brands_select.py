from __future__ import annotations

import uuid
from typing import Any

import pytest

from ostiary.brands.resources import Brand
from ostiary.brands.room import ROOM
from ostiary.brands.select import select
from ostiary.resource import InvalidResource, Registry
from ostiary.store.configuration.snapshot import Snapshot


def brand(domain: str, **values: Any) -> Brand:
    return Brand(pk=str(uuid.uuid4()), domain=domain, **values)


SNAPSHOT = Snapshot.of(
    Registry(ROOM.kinds),
    [brand("authentik-default", default=True), brand("example.org"), brand("id.example.org"), brand("xample.org")],
)


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("example.org", "example.org"),
        ("EXAMPLE.org:9443", "example.org"),
        ("deep.id.example.org", "id.example.org"),
        ("id.example.org.", "id.example.org"),
        ("example.org.evil.test", "authentik-default"),
        ("evilexample.org", "authentik-default"),
        ("[::1]:9000", "authentik-default"),
        ("", "authentik-default"),
    ],
)
def test_the_longest_domain_wins_on_whole_labels(host: str, domain: str) -> None:
    assert select(SNAPSHOT, host).domain == domain


def test_without_brands_a_fallback_is_selected() -> None:
    selected = select(Snapshot.of(Registry(ROOM.kinds), []), "example.org")
    assert (selected.branding_title, selected.flow_authentication) == ("Ostiary", None)


def test_a_domain_is_a_host_name() -> None:
    for domain in (".example.org", "example.org/x"):
        with pytest.raises(InvalidResource):
            Brand.KIND.make("x", Brand.KIND.parse({"domain": domain}))


def test_the_blueprint_fields() -> None:
    assert set(Brand.KIND.fields) == {
        "domain", "default", "branding_title", "branding_logo", "branding_favicon", "branding_custom_css",
        "branding_default_flow_background", "flow_authentication", "flow_invalidation", "flow_recovery",
        "flow_unenrollment", "flow_user_settings", "flow_device_code", "default_application", "web_certificate",
        "client_certificates", "attributes",
    }  # fmt: skip
