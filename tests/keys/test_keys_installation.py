"""The pairs of an installation: the two of a first start, the successors of a rotation, and how long they are valid."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.program import Clock, Program, open_program

from ostiary.keys import validity as validity_of_pairs
from ostiary.keys.certificate import KeyType, generate_self_signed, key_type_of
from ostiary.keys.defaults import INTERNAL_MANAGED, INTERNAL_NAME, SELF_SIGNED_NAME, make_default_pairs
from ostiary.keys.errors import UnreadableKey
from ostiary.keys.pem import certificate_der, read_private_key
from ostiary.keys.resources import CertificateKeyPair
from ostiary.keys.room import ROOM
from ostiary.keys.signer import certificate_jwk, certificate_public_key, kid_of, signer
from ostiary.proto.jose import public_jwk
from ostiary.store.configuration.snapshot import Snapshot
from ostiary.store.database import Database

NOW = 1_800_000_000_000_000
SECOND = 1_000_000


@pytest.fixture
async def program(sqlite_database: Database) -> AsyncIterator[Program]:
    opened = await open_program(sqlite_database, Clock(NOW))
    yield opened
    await opened.close()


async def installed(program: Program) -> Snapshot:
    """Do what a start does; return the configuration behind it."""
    await make_default_pairs(program.core.editor, program.snapshot, now=NOW)
    return await program.core.plane.refresh()


async def test_a_first_start_makes_two_pairs_that_sign(program: Program) -> None:
    snapshot = await installed(program)
    made = {pair.name: pair for pair in snapshot.all(CertificateKeyPair)}
    assert {name: pair.managed for name, pair in made.items()} == {
        SELF_SIGNED_NAME: None,
        INTERNAL_NAME: INTERNAL_MANAGED,
    }
    assert {signer(snapshot, pair.pk).key.algorithm for pair in made.values()} == {"RS256"}
    assert len({kid_of(pair) for pair in made.values()}) == 2


async def test_a_later_start_makes_what_is_missing_and_leaves_the_rest(program: Program) -> None:
    first = await installed(program)
    assert await installed(program) is first, "nothing was missing"
    (own,) = [pair for pair in first.all(CertificateKeyPair) if pair.name == SELF_SIGNED_NAME]
    (managed,) = [pair for pair in first.all(CertificateKeyPair) if pair.managed]

    async def rename(workspace: object) -> None:
        kind = CertificateKeyPair.KIND.name
        await workspace.delete(await workspace.get(kind, own.pk))  # type: ignore[attr-defined]
        pair = await workspace.get(kind, managed.pk)  # type: ignore[attr-defined]
        await workspace.update(pair, {"name": "of our tokens"})  # type: ignore[attr-defined]

    await program.core.editor.edit(rename, author="test", message="", now=NOW)
    await program.core.plane.refresh()
    again = await installed(program)
    pairs = {pair.name: pair for pair in again.all(CertificateKeyPair)}
    assert set(pairs) == {SELF_SIGNED_NAME, "of our tokens"}, "a managed pair is known by its key, whatever its name"
    assert kid_of(pairs["of our tokens"]) == kid_of(managed)
    assert kid_of(pairs[SELF_SIGNED_NAME]) != kid_of(own)


def pair_of(name: str, key_type: KeyType = "ec-p256", **fields: object) -> CertificateKeyPair:
    made = generate_self_signed(name, "id.example.org", now=NOW, key_type=key_type, validity=timedelta(days=90))
    values = {"name": name, "certificate_data": made.certificate_data, "key_data": made.key_data, **fields}
    found: CertificateKeyPair = CertificateKeyPair.KIND.make(name, CertificateKeyPair.KIND.parse(values))
    return found


async def test_the_page_of_metrics_has_the_validity_of_each_certificate(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    really = validity_of_pairs._validity

    def noting(pem: str) -> object:
        read.append(pem)
        return really(pem)

    monkeypatch.setattr(validity_of_pairs, "_validity", noting)
    broken = CertificateKeyPair(pk="broken", name="broken", certificate_data="no certificate")
    program.change(pair_of("one"), pair_of("two", "ed25519"), broken)
    begin, end = ROOM.measures(program.core.services)
    for _ in range(2):
        begins, ends = await begin.read(), await end.read()  # type: ignore[misc]
    assert begins == {("one",): NOW / SECOND - 86_400, ("two",): NOW / SECOND - 86_400}
    assert ends == {("one",): NOW / SECOND + 90 * 86_400, ("two",): NOW / SECOND + 90 * 86_400}
    assert sorted(pem for pem in read if pem != "no certificate") == sorted(
        pair.certificate_data for pair in program.snapshot.all(CertificateKeyPair) if pair.pk != "broken"
    ), "each is parsed once"


@pytest.mark.parametrize("key_type", ["rsa-2048", "rsa-3072", "ec-p256", "ec-p384", "ec-p521", "ed25519"])
def test_a_successor_is_of_the_same_type(key_type: KeyType) -> None:
    made = generate_self_signed("a", "a.example.org", now=NOW, key_type=key_type)
    assert key_type_of(read_private_key(made.key_data.reveal())) == key_type


@pytest.mark.parametrize(("bits", "key_type"), [(1024, "rsa-2048"), (2560, "rsa-3072"), (4160, "rsa-4096")])
def test_a_successor_is_at_least_as_large(bits: int, key_type: str) -> None:
    assert key_type_of(rsa.generate_private_key(public_exponent=65537, key_size=bits)) == key_type


def test_a_key_of_another_kind_is_refused() -> None:
    key = dsa.generate_private_key(key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(UnreadableKey, match="expected an RSA, elliptic curve or Ed25519 key"):
        read_private_key(pem)


def test_the_der_of_a_certificate_is_that_of_its_pem() -> None:
    pem = pair_of("one").certificate_data
    der = certificate_der(pem)
    assert x509.load_der_x509_certificate(der) == x509.load_pem_x509_certificate(pem.encode())
    assert certificate_der(pem.replace("BEGIN CERT", "BEGIN X509 CERT").replace("END CERT", "END X509 CERT")) == der
    with pytest.raises(UnreadableKey, match="expected a certificate in PEM"):
        certificate_der(pem.replace("\nMII", "\nMI!"))


def test_the_certificate_of_a_pair_has_a_key_to_encrypt_with_or_to_verify() -> None:
    alone = pair_of("one", "rsa-2048", key_data="")
    jwk = certificate_jwk(alone, use="enc")
    assert (jwk["use"], jwk["kid"]) == ("enc", kid_of(alone))
    assert "alg" not in jwk
    assert {name: jwk[name] for name in ("kty", "n", "e")} == public_jwk(certificate_public_key(alone))
    assert kid_of(alone) != kid_of(pair_of("one", "rsa-2048")), "without a key the certificate gives the name"


async def test_two_first_starts_at_once_make_each_pair_once(program: Program) -> None:
    before = program.snapshot
    await asyncio.gather(*(make_default_pairs(program.core.editor, before, now=NOW) for _ in range(2)))
    snapshot = await program.core.plane.refresh()
    assert sorted(pair.name for pair in snapshot.all(CertificateKeyPair)) == sorted([SELF_SIGNED_NAME, INTERNAL_NAME])
