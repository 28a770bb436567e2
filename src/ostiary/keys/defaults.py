"""The two pairs every installation has, made on its first start under authentik's names."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from ostiary.keys.resources import CertificateKeyPair
from ostiary.record import dataclass
from ostiary.store.configuration.snapshot import Snapshot
from ostiary.store.workspace.editor import Editor, Workspace

SELF_SIGNED_NAME: Final = "authentik Self-signed Certificate"
INTERNAL_NAME: Final = "authentik Internal JWT Certificate"
INTERNAL_MANAGED: Final = "goauthentik.io/crypto/jwt-managed"


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    managed: str | None

    def present(self, snapshot: Snapshot) -> bool:
        """Authentik recognises the first by its name and the second by its managed key; so do blueprints."""
        if self.managed is not None:
            return snapshot.find(CertificateKeyPair, managed=self.managed) is not None
        return snapshot.find(CertificateKeyPair, name=self.name) is not None


_WANTED: Final = (_Wanted(SELF_SIGNED_NAME, None), _Wanted(INTERNAL_NAME, INTERNAL_MANAGED))


async def make_default_pairs(editor: Editor, snapshot: Snapshot, *, now: int) -> None:
    """Make those of the default pairs that are missing (RSA 2048, valid ten years)."""
    missing = [wanted for wanted in _WANTED if not wanted.present(snapshot)]
    if not missing:
        return
    made = [await asyncio.to_thread(_values, wanted, now) for wanted in missing]

    async def create(workspace: Workspace) -> None:
        for values in made:
            if not await workspace.find(CertificateKeyPair.KIND.name, [("name", values["name"])]):
                await workspace.create(CertificateKeyPair.KIND.name, values)

    await editor.edit(create, author="system", message="Make the certificates of a new installation", now=now)


def _values(wanted: _Wanted, now: int) -> Mapping[str, object]:
    from ostiary.keys.certificate import generate_self_signed  # noqa: PLC0415 - only on a first start

    pair = generate_self_signed(wanted.name, "ostiary.internal", now=now)
    return {
        "name": pair.name,
        "certificate_data": pair.certificate_data,
        "key_data": pair.key_data,
        "managed": wanted.managed,
    }
