"""The base class of authenticators: device table, challenge, verification and texts.

Each kind is one subclass. Its set-up stage refers to it (`flows.enrolment.SetupStage`), and only the rooms' lists of
stages know which kinds exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from ostiary.directory.authenticators.device import DeviceChallenge
from ostiary.record import dataclass
from ostiary.store.database import Statement, Value

if TYPE_CHECKING:
    from ostiary.directory.authenticators.device import Attempt, Device
    from ostiary.seal.envelope import Sealer

MAX_CODE_LENGTH: Final = 128
"""The maximum length of a code, in characters."""
CODE_TEMPLATE: Final = "parts/method_code.html"
"""The part of the validation page with the field for a code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """The texts of a kind, in English: pages translate them.

    `name` is that of the kind, `label` that of its field, `instruction` precedes the field, and `link` is the text of
    the link from other kinds. `heading` is that of the page, where the usual one does not fit.
    """

    name: str
    label: str
    instruction: str
    link: str
    heading: str = ""


class Authenticator:
    """A kind of second factor. The defaults of this class are those of a typed code.

    `DEVICE_CLASS` is one of authentik's, or for a kind of another package a name that begins with the package's
    (`garden.pigeon`); a validation stage lists those it asks for. `TABLE` has the columns of every kind (see
    `directory.tables`) and in addition those of `COLUMNS`. `TEMPLATE` is the part of the validation page for this kind;
    its variable is `method` (`flows.proofs.mfa_page.Method`). `FIELD` is the member of an answer with the proof.

    `GUESSABLE` says that a wrong proof may be a guess, and so delays the next one. With `ONCE` a challenge is answered
    once: a wrong answer ends it. A `RESERVE` is for the day when another device is missing: it is not offered as the
    only factor.
    """

    DEVICE_CLASS: ClassVar[str]
    MODEL: ClassVar[str]
    TABLE: ClassVar[str]
    COLUMNS: ClassVar[Mapping[str, Literal["TEXT", "BIGINT"]]] = {}
    WORDING: ClassVar[Wording]
    NUMERIC: ClassVar[bool] = False
    TEMPLATE: ClassVar[str] = CODE_TEMPLATE
    FIELD: ClassVar[str] = "code"
    GUESSABLE: ClassVar[bool] = True
    ONCE: ClassVar[bool] = False
    RESERVE: ClassVar[bool] = False

    def __init__(self, sealer: Sealer) -> None:
        self.sealer = sealer

    async def challenge(self, devices: Sequence[Device], attempt: Attempt) -> DeviceChallenge:
        """Return the challenge for the devices of this kind that a user has, the first of which names it.

        Without any it is for whoever comes (see `owned_by`). `attempt` has no answer, and the states of the previous
        challenge.
        """
        del devices
        return DeviceChallenge(state=attempt.state_of(self.DEVICE_CLASS))

    async def select(self, device: Device, attempt: Attempt) -> Mapping[str, object] | None:
        """Prepare a selected device: send a code, for example.

        Returns the state for the verification, or None if there is nothing to prepare.
        """
        del device, attempt
        return None

    def is_proof(self, attempt: Attempt) -> bool:
        """Return whether the answer contains a proof of this kind."""
        return 0 < len(attempt.code) <= MAX_CODE_LENGTH

    def owned_by(self, attempt: Attempt) -> tuple[str, Value] | None:
        """Return the column, and its value, that name the device of a proof; None if the user must be known first."""
        del attempt
        return None

    async def verify(self, device: Device, attempt: Attempt) -> Sequence[Statement]:
        """Verify a proof. Returns the statements that mark it as used, or none for a wrong proof.

        The first statement changes one row, unless the proof was used before. The caller runs all of them in one
        transaction. Raises ProofRefused for a proof that would be right, but is not accepted.
        """
        raise NotImplementedError

    def deletion(self, user: int, device: Device | None = None) -> Iterable[Statement]:
        """Return the statements that delete the dependent rows of one device, or of all devices of a user."""
        del user, device
        return ()
