"""Pinned hosts: the installation's host names. They are configuration, so that every process knows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ostiary.brands.resources import Host

if TYPE_CHECKING:
    from ostiary.store.workspace.editor import Editor, Workspace

KIND: Final = "ostiary_brands.host"


async def pin(editor: Editor, hosts: Sequence[str], *, author: str, now: int) -> Sequence[str]:
    """Pin hosts (as returned by `proto.authority.read_address`). Returns the newly pinned ones."""

    async def work(workspace: Workspace) -> Sequence[str]:
        pinned_before = {item.host for item in workspace.snapshot.all(Host)}
        new = [host for host in dict.fromkeys(hosts) if host not in pinned_before]
        for host in new:
            await workspace.create(KIND, {"host": host})
        return new

    pinned, _ = await editor.edit(work, author=author, message=f"Pin hosts: {', '.join(hosts)}", now=now)
    return pinned


async def unpin(editor: Editor, host: str, *, author: str, now: int) -> bool:
    """Unpin a host. Returns False if it was not pinned."""

    async def work(workspace: Workspace) -> bool:
        host_object = await workspace.find(KIND, [("host", host)])
        if host_object is None:
            return False
        await workspace.delete(host_object)
        return True

    removed, _ = await editor.edit(work, author=author, message=f"Unpin host: {host}", now=now)
    return removed
