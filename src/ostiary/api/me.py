"""`core/users/me/`: who one is, as authentik's SessionUser."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from ostiary.directory.user import Subject

_HUES: Final = 360


def session_user(subject: Subject, roles: Sequence[tuple[str, str]]) -> dict[str, object]:
    """Return the answer for a person; `roles` are (pk, name) pairs of direct and inherited roles.

    `groups` are those of every step upward, as authentik 2026.2 lists them here and nowhere else.
    """
    user = subject.user
    return {
        "user": {
            "pk": user.pk,
            "username": user.username,
            "name": user.name,
            "is_active": user.is_active,
            "is_superuser": subject.is_superuser,
            "groups": [{"name": group.name, "pk": group.pk} for group in subject.every_group],
            "roles": [{"name": name, "pk": pk} for pk, name in roles],
            "email": user.email,
            "avatar": initials_avatar(user.name or user.username),
            "uid": subject.uid,
            "settings": _settings(subject),
            "type": user.type,
            "system_permissions": [],
        }
    }


def initials_avatar(name: str) -> str:
    """Return a data URI of an SVG with a person's initials on a colour derived from the name."""
    words = name.split() or ["?"]
    initials = "".join(word[0] for word in words[:2]).upper()
    shown = "".join(f"&#{ord(letter)};" for letter in initials)
    hue = int.from_bytes(hashlib.sha256(name.encode("utf-8", "replace")).digest()[:2], "big") % _HUES
    svg = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 64 64'>"
        f"<rect width='64' height='64' fill='hsl({hue} 45% 40%)'/>"
        "<text x='32' y='41' font-family='sans-serif' font-size='26' fill='white' text-anchor='middle'>"
        f"{shown}</text></svg>"
    )
    return "data:image/svg+xml," + svg.replace("%", "%25").replace("#", "%23").replace("<", "%3C").replace(">", "%3E")


def _settings(subject: Subject) -> object:
    settings = subject.attributes.get("settings")
    return settings if isinstance(settings, dict) else {}
