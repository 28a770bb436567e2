"""The registration of this room with the application."""

from __future__ import annotations

from typing import Final

from ostiary.policies.expression import ExpressionPolicy
from ostiary.policies.password import PasswordPolicy
from ostiary.policies.resources import PolicyBinding
from ostiary.room import Room

ROOM: Final = Room(name="policies", kinds=(PolicyBinding, ExpressionPolicy, PasswordPolicy))
