"""The registration of this room with the application."""

from __future__ import annotations

from typing import Final

from ostiary.directory.passwords.pool import Passwords
from ostiary.directory.rows.backend import AccountHooks
from ostiary.policies.kinds.dummy import DummyPolicy
from ostiary.policies.kinds.event_matcher import EventMatcherPolicy
from ostiary.policies.kinds.expression import ExpressionPolicy
from ostiary.policies.kinds.geoip import GeoIPPolicy
from ostiary.policies.kinds.password import PasswordPolicy
from ostiary.policies.kinds.password_expiry import PasswordExpiryPolicy
from ostiary.policies.kinds.reputation import ReputationPolicy
from ostiary.policies.kinds.unique_password import UniquePasswordPolicy
from ostiary.policies.lookups.earlier_sign_ins import EarlierSignIns
from ostiary.policies.lookups.leaked_passwords import LeakedPasswords
from ostiary.policies.lookups.password_history import HISTORY, PasswordHistory
from ostiary.policies.lookups.places import GeoData
from ostiary.policies.lookups.reputation import SCORES, Reputation, sweep
from ostiary.policies.resources import PolicyBinding
from ostiary.policies.services import PolicyServices
from ostiary.room import Room, Service, ServiceRegistry
from ostiary.sessions.sessions import Hooks
from ostiary.settings import Settings
from ostiary.store.configuration.plane import ConfigPlane

_SECOND: Final = 1_000_000  # microseconds


def policy_services(services: ServiceRegistry) -> PolicyServices:
    """Return the services of policies: those of every room."""
    return PolicyServices(services.__getitem__)


def reputation(services: ServiceRegistry) -> Reputation:
    """Return the reputation scores, which are stored while a policy uses them."""
    plane = services[ConfigPlane]
    return Reputation(
        services.database,
        lifetime=services[Settings].reputation.expiry * _SECOND,
        is_used=lambda: bool(plane.snapshot.all(ReputationPolicy)),
    )


def password_history(services: ServiceRegistry) -> PasswordHistory:
    """Return the password history, as long as the policies need it."""
    plane = services[ConfigPlane]
    return PasswordHistory(
        services.database,
        services[Passwords],
        depth=lambda: max(
            (one.num_historical_passwords for one in plane.snapshot.all(UniquePasswordPolicy)), default=0
        ),
    )


def places(services: ServiceRegistry) -> GeoData:
    """Return the locations and networks of addresses, from the operator's files."""
    files = services[Settings].places
    return GeoData(files.geoip, files.asn)


def account_hooks(services: ServiceRegistry) -> AccountHooks:
    """Return the hook that stores changed passwords in the history."""
    return AccountHooks(on_ended=[lambda user, now: services[PasswordHistory].changed(user, now)])


def session_hooks(services: ServiceRegistry) -> Hooks:
    """Return the hook that raises the score after a sign-in."""
    return Hooks(on_begin=[services[Reputation].succeeded])


ROOM: Final = Room(
    name="policies",
    kinds=(
        PolicyBinding,
        ExpressionPolicy,
        PasswordPolicy,
        PasswordExpiryPolicy,
        EventMatcherPolicy,
        UniquePasswordPolicy,
        ReputationPolicy,
        GeoIPPolicy,
        DummyPolicy,
    ),
    migrations=(SCORES, HISTORY),
    sweeps=(sweep,),
    hooks=(Service(Hooks, session_hooks), Service(AccountHooks, account_hooks)),
    services=(
        Service(PasswordHistory, password_history),
        Service(Reputation, reputation),
        Service(EarlierSignIns, lambda services: EarlierSignIns(services.database)),
        Service(GeoData, places),
        Service(PolicyServices, policy_services),
        Service(LeakedPasswords, lambda services: LeakedPasswords(services[Settings].policies.leaked_passwords)),
    ),
)
