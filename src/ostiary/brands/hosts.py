"""Pinning: the hosts that somebody said are ours, kept as configuration, so that every process knows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ostiary.brands.resources import Host

if TYPE_CHECKING:
    from ostiary.store.workspace.editor import Editor, Workspace

KIND: Final = "ostiary_brands.host"


async def pin(editor: Editor, hosts: Sequence[str], *, author: str, now: int) -> Sequence[str]:
    """Pin hosts, as `proto.authority.read_address` returns them, and return those that were not before."""

    async def work(workspace: Workspace) -> Sequence[str]:
        known = {item.host for item in workspace.snapshot.all(Host)}
        new = [host for host in dict.fromkeys(hosts) if host not in known]
        for host in new:
            await workspace.create(KIND, {"host": host})
        return new

    made, _ = await editor.edit(work, author=author, message=f"Our hosts: {', '.join(hosts)}", now=now)
    return made


async def unpin(editor: Editor, host: str, *, author: str, now: int) -> bool:
    """Forget a pinned host. False when it was not pinned."""

    async def work(workspace: Workspace) -> bool:
        found = await workspace.find(KIND, [("host", host)])
        if found is None:
            return False
        await workspace.delete(found)
        return True

    removed, _ = await editor.edit(work, author=author, message=f"No more our host: {host}", now=now)
    return removed
