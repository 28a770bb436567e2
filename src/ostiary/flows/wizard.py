"""The first-run wizard: the flow `initial-setup`, for the owner of the one-time link, closed for ever afterwards.

Its pages are ordinary stages; only the behaviour of its flow is special. The link must be valid until the first
administrator is stored, and the same transaction closes the set-up (directory.administrator).

If no host is configured, the wizard asks for it and suggests its own. The host is pinned before the administrator is
stored, so that there is never an administrator without a reachable host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ostiary.brands.hosts import pin
from ostiary.directory.errors import BadName, Busy, PasswordTooLong, SetupClosed
from ostiary.directory.first_run.administrator import USERNAME, create_administrator
from ostiary.flows.interface.stage_context import Commit, FlowBehaviour, StageContext, StageFailed
from ostiary.flows.next_url import query_value
from ostiary.policies.native import SETUP_TOKEN
from ostiary.proto.authority import is_loopback, read_address, split
from ostiary.seal import Secret

SLUG: Final = "initial-setup"
TOKEN: Final = SETUP_TOKEN  # a key of the plan context, which is sealed at rest
DONE: Final = "setup_done"
HOSTS: Final = "hosts"
"""The prompt field for our hosts; omitted if they are configured."""
CLOSED: Final = (
    "This link has been used: the first administrator exists, and nothing opens the set-up again. Sign in. If the"
    " password is lost, `ostiary recovery-link akadmin` on the machine of Ostiary lets you in."
)
NOT_VALID: Final = (
    "This link is not valid: it was replaced by a newer one, is older than 24 hours, or was not copied whole."
    " `ostiary setup-link` makes another."
)


class FirstRun(FlowBehaviour):
    """The behaviour of the wizard's flow."""

    def opening(self, stage_context: StageContext) -> Mapping[str, object]:
        """Add the token of the link, and the host of the page as the suggested one."""
        here = "" if _is_local(stage_context.request.host) else _origin(stage_context)
        return {TOKEN: query_value(stage_context.query, "token") or "", "prompt_data": {HOSTS: here}}

    async def refusal(self, stage_context: StageContext) -> str | None:
        """Deny without a valid link."""
        if await is_open(stage_context):
            return None
        return CLOSED if await stage_context.services.setup.closed() else NOT_VALID

    def asks(self, stage_context: StageContext, field_key: str) -> bool:
        """Return whether to ask for our hosts: only if none is configured."""
        return field_key != HOSTS or stage_context.services.unnamed()

    def judge(self, stage_context: StageContext, field_key: str, raw: object) -> str | None:
        """Validate the hosts. Raises ValueError."""
        return ", ".join(hosts_of(stage_context, raw)) if field_key == HOSTS else None

    def write(self, stage_context: StageContext) -> Commit | None:
        """Store the first administrator, once."""
        if stage_context.context.get(DONE) is True:
            return None
        return lambda: make_administrator(stage_context)


def _origin(stage_context: StageContext) -> str:
    return f"{stage_context.request.scheme}://{stage_context.request.host}"


async def is_open(stage_context: StageContext) -> bool:
    """Return whether this run may continue: its link is valid, or it has stored the administrator itself."""
    if stage_context.context.get(DONE) is True:
        return True
    token = stage_context.text(TOKEN)
    # guard: A39 the set-up wizard requires its link
    return bool(token) and await stage_context.services.setup.is_valid_link(Secret(token or ""), stage_context.now)


def hosts_of(stage_context: StageContext, answer: object) -> Sequence[str]:
    """Return the typed hosts, comma-separated; the host of the page if nothing was typed.

    Raises ValueError for a name that works only on this machine, and if the host of the page itself would be refused
    from then on.
    """
    here = stage_context.request.host
    local = _is_local(here)
    if answer is None:
        return [] if local else [here]
    hosts = [read_address(one) for one in str(answer).split(",") if one.strip()]
    for host in hosts:
        # guard: A75 the wizard never pins a loopback name
        if _is_local(host):
            raise ValueError(f"{host} leads to this machine alone, and always does: name another address, or none.")
    if not local and here not in hosts:
        raise ValueError(f"This page is open at {here}: keep it in the list, or open the link at the other address.")
    return hosts


def _is_local(host: str) -> bool:
    return is_loopback(split(host)[0])


async def make_administrator(stage_context: StageContext) -> Mapping[str, object]:
    """Store the first administrator with the values of the prompts, and close the set-up. Raises StageFailed."""
    data = stage_context.mapping("prompt_data")
    email, password, token = data.get("email"), data.get("password"), stage_context.text(TOKEN)
    if not isinstance(email, str) or not isinstance(password, str) or not password or not token:
        raise StageFailed("An e-mail address and a password are needed.")
    await _pin(stage_context, data.get(HOSTS))
    try:
        pk = await create_administrator(
            stage_context.services.database,
            stage_context.services.passwords,
            email=email,
            password=Secret(password),
            token=Secret(token),
            now=stage_context.now,
            client_ip=stage_context.client,
        )
    except (SetupClosed, BadName, PasswordTooLong, Busy) as error:
        raise StageFailed(str(error)) from error
    return {
        DONE: True,
        TOKEN: "",
        "prompt_data": {},
        "pending_user": {"pk": pk, "username": USERNAME},
        "auth_method": "password",
        "auth_method_args": {},
    }


async def _pin(stage_context: StageContext, answer: object) -> None:
    if not stage_context.services.unnamed():
        return
    try:
        hosts = hosts_of(stage_context, answer)
    except ValueError as error:
        raise StageFailed(str(error)) from error
    if hosts:
        await pin(stage_context.services.editor, hosts, author="first run", now=stage_context.now)
