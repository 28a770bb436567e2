"""The rules of a new password, told at its field before anybody breaks one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ostiary.policies.kinds.password import PasswordPolicy, rules_in_words
from ostiary.policies.resources import POLICY

if TYPE_CHECKING:
    from ostiary.store.configuration.snapshot import Snapshot


def with_password_rules(
    fields: list[dict[str, object]], policies: Iterable[str], snapshot: Snapshot
) -> list[dict[str, object]]:
    """Return the fields of a challenge, where a password without a text of its own tells the rules, one a line.

    `policies` are the primary keys of the validation policies.
    """
    rules: dict[str, tuple[str, ...]] = {}
    for pk in policies:
        policy = snapshot.resolve(POLICY, pk)
        if isinstance(policy, PasswordPolicy):
            told = rules.get(policy.password_field, ())
            rules[policy.password_field] = (*told, *(one for one in rules_in_words(policy) if one not in told))
    return [_told(field, rules.get(str(field["field_key"]), ())) for field in fields]


def _told(field: dict[str, object], rules: tuple[str, ...]) -> dict[str, object]:
    if not rules or field["type"] != "password" or field["sub_text"]:
        return field
    return {**field, "sub_text": "\n".join(rules)}
