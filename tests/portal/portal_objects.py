"""The people and applications of the samples."""

from __future__ import annotations

from typing import Any

from ostiary.applications.resources import Application
from ostiary.directory.authenticators.device import Device
from ostiary.directory.user import Subject, User
from ostiary.flows.enrolment import authenticators_of
from ostiary.flows.room import STAGES
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer

NOW = 1_800_000_000_000_000
SEALER = Sealer(Secret("a secret key for tests, long enough to be one"))
KINDS_BY_CLASS = {kind.DEVICE_CLASS: kind(SEALER) for kind in authenticators_of(STAGES)}


def app(slug: str, name: str, **more: Any) -> Application:
    return Application(pk=slug, slug=slug, name=name, **{"meta_launch_url": f"https://{slug}.example.org/", **more})


APPS = [
    app("grafana", "Grafana", group="Watching", meta_description="Dashboards of everything that runs."),
    app("alerts", "Alertmanager", group="Watching", open_in_new_tab=True),
    app("forgejo", "Forgejo", group="Building", meta_publisher="Our code"),
    app(
        "argocd",
        "Argo CD",
        group="Building",
        meta_description="What runs where, and whether it should. A long sentence that is cut after two lines, however long it gets.",
    ),
    app("jellyfin", "Jellyfin"),
    app("silent", "Not shown", meta_launch_url="blank://blank"),
]


def subject(**more: Any) -> Subject:
    user = User(
        pk=7,
        uuid="u",
        username="ada",
        name="Ada Lovelace",
        email="ada@example.org",
        is_active=True,
        type=more.get("type", "internal"),
        path="users",
        attributes={},
        password="!",
        last_login=None,
        date_joined=NOW,
        password_change_date=NOW,
        last_updated=NOW,
    )
    return Subject(
        user=user,
        uid="uid",
        groups=(),
        every_group=(),
        all_groups=frozenset(),
        all_group_names=frozenset(),
        is_superuser=more.get("administers", False),
        attributes={},
    )


def device(pk: int, device_class: str, name: str) -> Device:
    return Device(
        device_class=device_class,
        model=KINDS_BY_CLASS[device_class].MODEL,
        pk=pk,
        uuid=f"{device_class}-{pk}",
        user=7,
        name=name,
        confirmed=True,
        locked_until=0,
        created=NOW,
        last_updated=NOW,
        last_used=None,
    )
