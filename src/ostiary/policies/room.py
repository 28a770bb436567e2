"""The registration of this room with the application."""

from __future__ import annotations

from typing import Final

from ostiary.policies.kinds.dummy import DummyPolicy
from ostiary.policies.kinds.event_matcher import EventMatcherPolicy
from ostiary.policies.kinds.expression import ExpressionPolicy
from ostiary.policies.kinds.password import PasswordPolicy
from ostiary.policies.kinds.password_expiry import PasswordExpiryPolicy
from ostiary.policies.leaked_passwords import LeakedPasswords
from ostiary.policies.resources import PolicyBinding
from ostiary.policies.services import PolicyServices
from ostiary.room import Room, Service, ServiceRegistry
from ostiary.settings import Settings


def policy_services(services: ServiceRegistry) -> PolicyServices:
    """Return what policies may ask: the services of every room."""
    return PolicyServices(services.__getitem__)


ROOM: Final = Room(
    name="policies",
    kinds=(
        PolicyBinding,
        ExpressionPolicy,
        PasswordPolicy,
        PasswordExpiryPolicy,
        EventMatcherPolicy,
        DummyPolicy,
    ),
    services=(
        Service(PolicyServices, policy_services),
        Service(LeakedPasswords, lambda services: LeakedPasswords(services[Settings].policies.leaked_passwords)),
    ),
)
