"""The functions of every expression, beside those of effects, addresses and modules."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from ostiary.sandbox.language.prelude.lookups import ostiary_asked, ostiary_matches
from ostiary.sandbox.language.prelude.outside import host_call_policy, host_has_authenticator, host_person, host_rows
from ostiary.sandbox.language.prelude.people import User
from ostiary.sandbox.language.prelude.values import ostiary_plain


def ak_is_group_member(user: Any, **filters: Any) -> bool:
    """Tell whether a user belongs to a group that the filters match, or to a descendant of one."""
    return any([ostiary_matches(row, filters) for row in user.ostiary_every_group()])  # noqa: C419 - a list is what it is there


def ak_user_by(**filters: Any) -> Any:
    """Return the first user that the filters match, None without one."""
    filters = ostiary_asked(filters)
    if len(filters) == 1:
        for name in ("username", "pk", "uuid"):
            if name in filters:
                found = host_person(name, filters[name])
                return None if found is None else User(found)
    for row in host_rows(["user"], filters):
        for name in filters:
            if name.split("__")[0] not in row:
                return None
        if ostiary_matches(row, filters):
            found = host_person("pk", row["pk"])
            return None if found is None else User(found)
    return None


def ak_user_has_authenticator(user: Any, device_type: Any = None) -> bool:
    """Tell whether a user has a device, of that type if one is named."""
    return user.pk is not None and host_has_authenticator(user.pk, device_type)


class PolicyResult:
    """What another policy says."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.passing = values["passing"]
        self.messages = values["messages"]
        self.raw_result = values["raw_result"]


def ak_call_policy(name: Any, **values: Any) -> PolicyResult:
    """Run another policy with the same request; the values are added to its context. Raises ValueError."""
    return PolicyResult(host_call_policy(str(name), ostiary_plain(values)))


def regex_match(value: Any, regex: Any) -> bool:
    """Tell whether a regular expression matches somewhere in a text."""
    return re.search(regex, value) is not None


def regex_replace(value: Any, regex: Any, repl: Any) -> str:
    """Return a text with every match replaced."""
    return str(re.sub(regex, repl, value))


def list_flatten(value: Any) -> Any:
    """Return the first item of a list, None of an empty one, and anything else as it is."""
    if isinstance(value, list):
        return value[0] if value else None
    return value


def slugify(value: Any) -> str:
    """Return a text as a slug: ASCII letters, digits, hyphens and underscores."""
    plain = "".join([one for one in unicodedata.normalize("NFKD", str(value)) if ord(one) < 128])  # noqa: PLR2004 - ASCII
    name_set = re.sub(r"[^a-zA-Z0-9_\s-]", "", plain).lower()
    return re.sub(r"[-\s]+", "-", name_set).strip("-_")
