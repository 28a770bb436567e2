"""The base class of authenticators: table of the devices, challenge, verification and texts.

A kind is one class; the set-up stage beside it names it (`flows.enrolment.SetupStage`), and the lists of stages that
rooms have are the only places that know which kinds there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from ostiary.directory.authenticators.device import DeviceChallenge
from ostiary.record import dataclass
from ostiary.store.database import Statement

if TYPE_CHECKING:
    from ostiary.directory.authenticators.device import Attempt, Device
    from ostiary.seal.envelope import Sealer

CODE_MOST: Final = 128
"""Characters of a code."""
CODE_TEMPLATE: Final = "parts/method_code.html"
"""The part of the validation page that asks for a code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """The texts of a kind, in English: pages translate them.

    `name` is the kind itself, `label` stands at its field, `instruction` before it, and `link` leads to it from the
    others.
    """

    name: str
    label: str
    instruction: str
    link: str


class Authenticator:
    """One kind of second factor. What is written here is that of a code which is typed in.

    `TABLE` has the columns of every kind (see `directory.tables`) and those of `COLUMNS`. `TEMPLATE` is the part of the
    validation page that asks for the proof; it knows `method` (`flows.proofs.methods.Method`).
    """

    DEVICE_CLASS: ClassVar[str]
    MODEL: ClassVar[str]
    TABLE: ClassVar[str]
    COLUMNS: ClassVar[Mapping[str, Literal["TEXT", "BIGINT"]]] = {}
    WORDING: ClassVar[Wording]
    NUMERIC: ClassVar[bool] = False
    TEMPLATE: ClassVar[str] = CODE_TEMPLATE

    def __init__(self, sealer: Sealer) -> None:
        self.sealer = sealer

    async def challenge(self, device: Device, attempt: Attempt) -> DeviceChallenge:
        """Return the challenge for a device. `attempt.answer` is empty, and its states are of an earlier challenge."""
        del device
        return DeviceChallenge(state=attempt.state_of(self.DEVICE_CLASS))

    async def select(self, device: Device, attempt: Attempt) -> Mapping[str, object] | None:
        """Prepare a device that its owner chose: send a code, for example.

        Returns the state for the verification; None without any preparation.
        """
        del device, attempt
        return None

    def is_proof(self, attempt: Attempt) -> bool:
        """Tell whether the answer contains a proof of this kind."""
        return 0 < len(attempt.code) <= CODE_MOST

    async def verify(self, device: Device, attempt: Attempt) -> Sequence[Statement]:
        """Verify a proof, and return the statements that use it up; none for a wrong proof.

        The first statement touches one row, unless the proof was used before. The caller runs them in one transaction.
        """
        raise NotImplementedError

    def deletion(self, user: int, device: Device | None = None) -> Iterable[Statement]:
        """Return the statements that delete dependent rows of one device of a user, or of all."""
        del user, device
        return ()
