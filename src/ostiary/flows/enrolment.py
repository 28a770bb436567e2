"""Enrolment of authenticators: the base of all set-up stages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, TypeVar

from ostiary.directory.authenticators.authenticator import Authenticator
from ostiary.directory.users import renew_proof
from ostiary.events.event import event
from ostiary.flows.errors import PlanChanged
from ostiary.flows.interface.pending_user import pending_user
from ostiary.flows.interface.stage_context import Done, Refused, StageContext
from ostiary.flows.proofs.used_devices import with_device
from ostiary.flows.resources import ConfigurableStage
from ostiary.record import dataclass
from ostiary.resource import Help, Resource

FRESH: Final = 3_600_000_000  # microseconds since the sign-in within which an authenticator may be added
SKEW: Final = 60_000_000  # microseconds: clocks of several servers may be apart; further ahead one was wrong
STALE: Final = "Sign in again before you add an authenticator."
NOBODY: Final = "There is nobody to set this up for."

if TYPE_CHECKING:
    from ostiary.directory.user import User
    from ostiary.store.database import Statement

A = TypeVar("A", bound=Authenticator)


@dataclass(frozen=True, kw_only=True)
class SetupStage(ConfigurableStage):
    """A stage that sets up an authenticator, and names its kind. Registering the stage registers the kind."""

    AUTHENTICATOR: ClassVar[type[Authenticator]]

    friendly_name: Annotated[str, Help("Name of the device, shown to its owner.")] = ""

    def authenticator(self, stage_context: StageContext, kind: type[A]) -> A:
        """Return an instance of the kind for this database."""
        return stage_context.services.devices.kind(kind)

    async def owner(self, stage_context: StageContext, *, fresh: bool = True) -> User | Refused:
        """Return the owner of the new authenticator, or a denial if there is none or their proof is too old."""
        user = await pending_user(stage_context)
        if user is None:
            return Refused(NOBODY)
        return Refused(STALE) if fresh and not is_fresh(stage_context) else user

    def enrolled(
        self, stage_context: StageContext, owner: User, *, name: str, device: Iterable[Statement], used: bool = False
    ) -> Done:
        """Return the verdict that stores a device. It ends every other proof of its owner.

        `used` says that the set-up proved that the owner has the device.
        """
        renewed, others_end = renew_proof(owner, error=PlanChanged)
        model = self.AUTHENTICATOR.MODEL
        return Done(
            context=with_device(stage_context, name=name, model=model, enrolled=True) if used else {},
            writes=(others_end, *device, _added(stage_context, owner, name=name, model=model)),
            proof=renewed,
        )


def authenticators_of(kinds: Iterable[type[Resource]]) -> list[type[Authenticator]]:
    """Return the kinds of authenticators that these kinds of objects set up."""
    return [kind.AUTHENTICATOR for kind in kinds if issubclass(kind, SetupStage)]


def is_fresh(stage_context: StageContext) -> bool:
    """Return whether the user was proven in this flow, or by a recent sign-in."""
    if "user_backend" in stage_context.context:
        return True
    return (
        stage_context.session.auth_time is not None
        and -SKEW <= stage_context.now - stage_context.session.auth_time <= FRESH
    )


def _added(stage_context: StageContext, user: User, *, name: str, model: str) -> Statement:
    """Return the event of a new authenticator."""
    app, _, model_name = model.partition(".")
    return event(
        "model_created",
        user=user.who,
        app="authentik.events.signals",
        context={"model": {"app": app, "model_name": model_name, "name": name, "pk": ""}},
        client_ip=stage_context.client,
        now=stage_context.now,
    )
