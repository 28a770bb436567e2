"""What the application collects from this room."""

from __future__ import annotations

from typing import Final

from ostiary.policies.resources import ExpressionPolicy, PasswordPolicy, PolicyBinding
from ostiary.resource import Resource

KINDS: Final[tuple[type[Resource], ...]] = (PolicyBinding, ExpressionPolicy, PasswordPolicy)
