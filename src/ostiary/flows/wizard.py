"""The first-run wizard: the flow `initial-setup`, open to whoever has the one-time link, closed for ever afterwards.

Its pages are ordinary stages. What is special is checked here, before each of them: the link must be valid until the
first administrator is stored, and storing them closes the set-up in the same transaction (directory.administrator).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ostiary.directory.administrator import USERNAME, create_administrator
from ostiary.directory.errors import Busy, PasswordTooLong, SetupClosed
from ostiary.flows.visit import StageFailed, Visit
from ostiary.policies.native import SETUP_TOKEN
from ostiary.seal import Secret

SLUG: Final = "initial-setup"
TOKEN: Final = SETUP_TOKEN  # a key of the plan context, which is sealed at rest
DONE: Final = "setup_done"
CLOSED: Final = (
    "This link has been used: the first administrator exists, and nothing opens the set-up again. Sign in. If the"
    " password is lost, `ostiary recovery-link akadmin` on the machine of Ostiary lets you in."
)
NOT_VALID: Final = (
    "This link is not valid: it was replaced by a newer one, is older than 24 hours, or was not copied whole."
    " `ostiary setup-link` makes another."
)


async def is_open(visit: Visit) -> bool:
    """Tell whether this run may go on: its link is valid, or it is the very run that made the administrator."""
    if visit.context.get(DONE) is True:
        return True
    token = visit.text(TOKEN)
    return bool(token) and await visit.services.setup.check(Secret(token or ""), visit.now)


async def why_closed(visit: Visit) -> str:
    """Return what to tell whoever came with a link that opens nothing."""
    return CLOSED if await visit.services.setup.closed() else NOT_VALID


async def make_administrator(visit: Visit) -> Mapping[str, object]:
    """Store the first administrator with the answers of the prompts, and close the set-up. Raises StageFailed."""
    data = visit.mapping("prompt_data")
    email, password, token = data.get("email"), data.get("password"), visit.text(TOKEN)
    if not isinstance(email, str) or not isinstance(password, str) or not password or not token:
        raise StageFailed("An e-mail address and a password are needed.")
    try:
        pk = await create_administrator(
            visit.services.database,
            visit.services.passwords,
            email=email,
            password=Secret(password),
            token=Secret(token),
            now=visit.now,
            client_ip=visit.client,
        )
    except (SetupClosed, PasswordTooLong, Busy) as error:
        raise StageFailed(str(error)) from error
    return {
        DONE: True,
        TOKEN: "",
        "prompt_data": {},
        "pending_user": {"pk": pk, "username": USERNAME},
        "auth_method": "password",
        "auth_method_args": {},
    }
