"""Rotation of signing keys, during which every token verifies.

Clients cache keys and fetch them again for an unknown key id, some only after a while, and our other processes learn of
a change up to a second later. So a new key is published first and signs only after a while, and the old one stays
published until every token it signed has expired:

1. `publish` creates the new pair and publishes it beside the old one, which still signs.
2. `switch` makes the new one sign; the old one stays published.
3. `retire` stops publishing keys whose last token has expired.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, cast

from ostiary.keys.errors import CannotRotate
from ostiary.keys.pem import read_private_key
from ostiary.keys.resources import CertificateKeyPair
from ostiary.proto.duration import parse_duration
from ostiary.providers.oauth2.provider.definition import OAuth2Provider
from ostiary.record import dataclass
from ostiary.resource import Pk

if TYPE_CHECKING:
    from ostiary.keys.certificate import KeyType
    from ostiary.store.configuration.plane import ConfigPlane
    from ostiary.store.configuration.revisions import Revision
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.store.workspace.editor import Editor, StoredObject, Workspace

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA"]
ALGORITHMS: Final[Mapping[str, KeyType]] = {
    "RS256": "rsa-2048",
    "RS384": "rsa-2048",
    "RS512": "rsa-2048",
    "PS256": "rsa-2048",
    "ES256": "ec-p256",
    "ES384": "ec-p384",
    "ES512": "ec-p521",
    "EdDSA": "ed25519",
}
_USUAL: Final = frozenset({"RS256", "ES256", "ES384", "ES512", "EdDSA"})  # what the type of key says already
_LEEWAY: Final = 300_000_000  # microseconds: clocks of clients
_PAGE: Final = 100  # revisions read at once
_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Rotation:
    """A rotation in progress: the old pair and the new one."""

    old: Pk
    new: Pk
    old_name: str
    new_name: str
    algorithm: Algorithm | None
    providers: tuple[str, ...]  # names of those that sign with it


@dataclass(frozen=True, slots=True)
class Retired:
    """A key that a provider no longer publishes."""

    provider: str
    pair: str


def parse_algorithm(text: str) -> Algorithm | None:
    """Return the algorithm of that name, None for an empty text. Raises CannotRotate."""
    if not text:
        return None
    if text not in ALGORITHMS:
        raise CannotRotate(f"{text} is no algorithm for a key, expected {', '.join(ALGORITHMS)}")
    return cast("Algorithm", text)


async def publish(editor: Editor, name: str, *, algorithm: Algorithm | None, author: str, now: int) -> Rotation:
    """Create a successor of the named pair, or of the pair of the named provider, and publish it as well.

    Without `algorithm` the new key is of the type of the old one. Raises CannotRotate, InvalidResource, Unavailable.
    """

    async def work(workspace: Workspace) -> Rotation:
        old = _pair(workspace.snapshot, name)
        providers = workspace.snapshot.referring(OAuth2Provider, "signing_key", old.pk)
        if not providers:
            raise CannotRotate(f"no provider signs with {old.name}")
        pair = await workspace.create(CertificateKeyPair.KIND.name, _values(workspace.snapshot, old, algorithm, now))
        for provider in providers:
            stored = await _stored(workspace, provider)
            await workspace.update(stored, {"previous_signing_keys": _in_front(stored, pair.pk, old.pk)})
        return Rotation(old.pk, pair.pk, old.name, pair.label, algorithm, tuple(item.name for item in providers))

    rotation, _ = await editor.edit(work, author=author, message=f"Publish a new key for {name}", now=now)
    return rotation


async def switch(editor: Editor, rotation: Rotation, *, author: str, now: int) -> tuple[str, ...]:
    """Make the new key sign for all providers that use the old one, and return their names.

    The old one stays published, and so would the new one if somebody set the old one back. Raises InvalidResource.
    """

    async def work(workspace: Workspace) -> tuple[str, ...]:
        providers = workspace.snapshot.referring(OAuth2Provider, "signing_key", rotation.old)
        for provider in providers:
            stored = await _stored(workspace, provider)
            values: dict[str, object] = {
                "signing_key": rotation.new,
                "previous_signing_keys": _in_front(stored, rotation.new, rotation.old),
            }
            if rotation.algorithm is not None and provider.signing_alg != "HS256":
                values["signing_alg"] = "" if rotation.algorithm in _USUAL else rotation.algorithm
            await workspace.update(stored, values)
        return tuple(item.name for item in providers)

    switched, _ = await editor.edit(work, author=author, message=f"Sign with {rotation.new_name}", now=now)
    return switched


async def retire(editor: Editor, *, author: str, now: int) -> tuple[Retired, ...]:
    """Stop publishing the keys whose last token has expired, and return them. The pairs are not deleted.

    A key stays if no revision shows when it stopped signing.
    """
    times = await _resting_since(editor.plane, now)

    async def work(workspace: Workspace) -> tuple[Retired, ...]:
        retired: list[Retired] = []
        for provider in workspace.snapshot.all(OAuth2Provider):
            gone = [pk for pk in provider.previous_signing_keys if _is_over(times, provider, pk, now)]
            if gone:
                remaining = [pk for pk in provider.previous_signing_keys if pk not in gone]
                await workspace.update(await _stored(workspace, provider), {"previous_signing_keys": remaining})
                retired.extend(Retired(provider.name, _name(workspace.snapshot, pk)) for pk in gone)
        return tuple(retired)

    retired, _ = await editor.edit(work, author=author, message="Retire signing keys", now=now)
    return retired


@dataclass(slots=True)
class _Rest:
    """The time since a key stopped signing for a provider, and the longest token lifetime since then."""

    since: int | None = None
    lifetime: int = 0


_Rests = Mapping[tuple[Pk, Pk], _Rest]


async def _resting_since(plane: ConfigPlane, now: int) -> _Rests:
    """Return when each previous key stopped signing, from the revisions, newest first."""
    wanted: _Rests = {
        (provider.pk, pk): _Rest(lifetime=parse_duration(provider.access_token_validity))
        for provider in (await plane.refresh()).all(OAuth2Provider)
        for pk in provider.previous_signing_keys
        if pk != provider.signing_key
    }
    before: int | None = None
    while any(rest.since is None for rest in wanted.values()):
        revisions = await plane.revisions(limit=_PAGE, before=before)
        for revision in revisions:
            _note(wanted, revision)
        if len(revisions) < _PAGE:
            break
        before = revisions[-1].number
    return {key: rest for key, rest in wanted.items() if rest.since is not None and rest.since <= now}


def _note(wanted: _Rests, revision: Revision) -> None:
    for entry in revision.entries:
        if entry.kind != OAuth2Provider.KIND.name:
            continue
        old, new = _body(entry.before), _body(entry.after)
        for (provider, pk), rest in wanted.items():
            if str(provider) != str(entry.pk) or rest.since is not None:
                continue
            for body in (old, new):
                if isinstance(body.get("access_token_validity"), str):
                    rest.lifetime = max(rest.lifetime, parse_duration(cast("str", body["access_token_validity"])))
            signed, signs = old.get("signing_key") == pk, new.get("signing_key") == pk
            listed = pk in _listed(new) and pk not in _listed(old)
            if (signed and not signs) or (listed and not signed):
                rest.since = revision.created


def _body(state: Mapping[str, object] | None) -> Mapping[str, object]:
    return {} if state is None else cast("Mapping[str, object]", state["body"])


def _listed(body: Mapping[str, object]) -> Sequence[object]:
    return cast("Sequence[object]", body.get("previous_signing_keys", ()))


def _is_over(times: _Rests, provider: OAuth2Provider, pk: Pk, now: int) -> bool:
    rest = times.get((provider.pk, pk))
    if rest is None or rest.since is None or pk == provider.signing_key:
        return False
    return rest.since + rest.lifetime + _LEEWAY <= now


def _pair(snapshot: Snapshot, name: str) -> CertificateKeyPair:
    """Return the pair of that name, or the signing pair of the provider of that name. Raises CannotRotate."""
    named = snapshot.find(CertificateKeyPair, name=name)
    if named is not None:
        return named
    provider = snapshot.find(OAuth2Provider, name=name)
    if provider is None:
        raise CannotRotate(f"there is neither a provider nor a certificate-key pair named {name}")
    pair = None if provider.signing_key is None else snapshot.get(CertificateKeyPair, provider.signing_key)
    if pair is None:
        raise CannotRotate(f"{name} signs with its client secret, there is no key to rotate")
    return pair


def _values(snapshot: Snapshot, old: CertificateKeyPair, algorithm: Algorithm | None, now: int) -> dict[str, object]:
    from ostiary.keys.certificate import generate_self_signed, key_type_of  # noqa: PLC0415 - X.509

    kind = key_type_of(read_private_key(old.key_data.reveal()))
    if algorithm is not None and not (ALGORITHMS[algorithm].startswith("rsa") and kind.startswith("rsa")):
        kind = ALGORITHMS[algorithm]
    pair = generate_self_signed(_new_name(snapshot, old.name, now), "ostiary.internal", now=now, key_type=kind)
    return {"name": pair.name, "certificate_data": pair.certificate_data, "key_data": pair.key_data}


def _new_name(snapshot: Snapshot, old: str, now: int) -> str:
    """Return the name with a date suffix, replacing an earlier one, and a number if it is taken."""
    stem = old.partition(" (rotated ")[0]
    day = datetime.fromtimestamp(now // _SECOND, tz=UTC).strftime("%Y-%m-%d")
    tries: Iterable[str] = (f"{stem} (rotated {day}{'' if n == 1 else f', {n}'})" for n in range(1, 1000))
    return next(name for name in tries if snapshot.find(CertificateKeyPair, name=name) is None)


def _in_front(stored: StoredObject, *keys: Pk) -> list[Pk]:
    before = cast("Sequence[Pk]", stored.values["previous_signing_keys"])
    return list(dict.fromkeys([*keys, *before]))


def _name(snapshot: Snapshot, pk: Pk) -> str:
    pair = snapshot.get(CertificateKeyPair, pk)
    return str(pk) if pair is None else pair.name


async def _stored(workspace: Workspace, provider: OAuth2Provider) -> StoredObject:
    stored = await workspace.get(OAuth2Provider.KIND.name, provider.pk)
    if stored is None:  # pragma: no cover - the workspace and its snapshot are of one state
        raise CannotRotate(f"{provider.name} is gone")
    return stored
