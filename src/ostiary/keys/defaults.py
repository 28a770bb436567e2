"""The two default pairs of every installation, with authentik's names. They are generated on the first start."""

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
class _DefaultPair:
    name: str
    managed: str | None

    def is_present(self, snapshot: Snapshot) -> bool:
        """Return whether the pair exists. As in authentik, a pair is found by its managed key, else by its name."""
        if self.managed is not None:
            return snapshot.find(CertificateKeyPair, managed=self.managed) is not None
        return snapshot.find(CertificateKeyPair, name=self.name) is not None


_DEFAULT_PAIRS: Final = (_DefaultPair(SELF_SIGNED_NAME, None), _DefaultPair(INTERNAL_NAME, INTERNAL_MANAGED))


async def make_default_pairs(editor: Editor, snapshot: Snapshot, *, now: int) -> None:
    """Create the missing default pairs (RSA 2048, valid for ten years)."""
    missing = [default for default in _DEFAULT_PAIRS if not default.is_present(snapshot)]
    if not missing:
        return
    pairs = [await asyncio.to_thread(_values, default, now) for default in missing]

    async def create(workspace: Workspace) -> None:
        for values in pairs:
            if not await workspace.find(CertificateKeyPair.KIND.name, [("name", values["name"])]):
                await workspace.create(CertificateKeyPair.KIND.name, values)

    await editor.edit(create, author="system", message="Make the certificates of a new installation", now=now)


def _values(default: _DefaultPair, now: int) -> Mapping[str, object]:
    from ostiary.keys.certificate import generate_self_signed  # noqa: PLC0415 - only on a first start

    pair = generate_self_signed(default.name, "ostiary.internal", now=now)
    return {
        "name": pair.name,
        "certificate_data": pair.certificate_data,
        "key_data": pair.key_data,
        "managed": default.managed,
    }
