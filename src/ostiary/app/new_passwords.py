"""The rules of new passwords where no flow asks for them: commands and the bootstrap setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.directory.errors import WeakPassword
from ostiary.policies.kinds.password import PasswordPolicy, broken_rules

if TYPE_CHECKING:
    from ostiary.seal import Secret
    from ostiary.store.configuration.snapshot import Snapshot

POLICY: Final = "default-password-change-password-policy"
"""The policy of the wizard and of the password change, as it is set up now."""


def require_good_password(snapshot: Snapshot, password: Secret, *, place: str = "The password") -> None:
    """Apply the wizard's rules to a password. Raises WeakPassword with the name of its source."""
    policy = snapshot.find(PasswordPolicy, name=POLICY)
    problems = () if policy is None else broken_rules(policy, password.reveal())
    if problems:
        raise WeakPassword(f"{place} cannot be used: {' '.join(problems)}")
