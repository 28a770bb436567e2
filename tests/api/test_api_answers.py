"""The answers of API v3 against what authentik's models say of them (tests/e2e reads them with its own client)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest

from ostiary.api.me import initials_avatar, session_user
from ostiary.api.public import current_brand
from ostiary.app.rooms import registry
from ostiary.brands.resources import Brand
from ostiary.directory.user import GroupRef, Subject, User
from ostiary.store.configuration.snapshot import Snapshot


def _subject(**changes: object) -> Subject:
    values: dict[str, Any] = {
        "pk": 7,
        "uuid": "5b8f6c1e-0000-4000-8000-000000000007",
        "username": "ada",
        "name": "Ada Byron",
        "email": "ada@example.org",
        "is_active": True,
        "type": "internal",
        "path": "users",
        "attributes": {},
        "password": "!",
        "last_login": None,
        "date_joined": 0,
        "password_change_date": 0,
        "last_updated": 0,
        **changes,
    }
    groups = (GroupRef("g-1", "admins", {}),)
    return Subject(
        user=User(**values),
        uid="f" * 64,
        groups=groups,
        every_group=(*groups, GroupRef("g-0", "staff", {})),
        all_groups=frozenset({"g-0", "g-1"}),
        all_group_names=frozenset({"admins", "staff"}),
        is_superuser=True,
        attributes={"settings": {"locale": "de"}},
    )


def test_me_has_every_field_of_session_user() -> None:
    user = session_user(_subject(), [("r-1", "readers")])["user"]
    assert isinstance(user, dict)
    assert user["groups"] == [{"name": "admins", "pk": "g-1"}, {"name": "staff", "pk": "g-0"}]
    assert user["roles"] == [{"name": "readers", "pk": "r-1"}]
    assert user["settings"] == {"locale": "de"}
    assert user["pk"] == 7
    assert "password" not in user


@pytest.mark.parametrize("name", ["Ada Byron", "", "<script>", "#%&'\"", "Žofie 日本"])
def test_an_avatar_is_a_wellformed_image_whatever_the_name(name: str) -> None:
    uri = initials_avatar(name)
    head, _, body = uri.partition(",")
    assert head == "data:image/svg+xml"
    assert not re.search(r"[<>\"#]", body)
    tree = ET.fromstring(unquote(body))  # noqa: S314 - our own text
    text = tree.find("{http://www.w3.org/2000/svg}text")
    assert text is not None
    assert text.text == "".join(word[0] for word in (name.split() or ["?"])[:2]).upper()


def test_a_brand_without_flows_names_none() -> None:
    brand = Brand(pk="b", domain="example.org", branding_title="House")
    answer = current_brand(brand, Snapshot.of(registry(), ()))
    assert answer["branding_title"] == "House"
    assert "flow_authentication" not in answer
