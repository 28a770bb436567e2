from __future__ import annotations

import asyncio
import base64
import hashlib
import unicodedata
from collections.abc import AsyncIterator, Callable
from typing import Literal

import bcrypt
import pytest
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, HashingError, VerificationError
from hypothesis import given
from hypothesis import strategies as st
from support.noting import noting
from support.waiting import until

from ostiary.directory.errors import Busy, NoMemory, PasswordTooLong
from ostiary.directory.passwords import formats
from ostiary.directory.passwords.credentials import Credentials, unusable
from ostiary.directory.passwords.pool import Passwords, spellings
from ostiary.seal import Secret

RIGHT = Secret("correct horse é")


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    pool = Passwords(workers=2, queue=8)
    yield pool
    pool.close()


def pbkdf2(digest: str, text: str, iterations: int = 1000) -> str:
    computed = hashlib.pbkdf2_hmac(digest, text.encode(), b"saltsaltsalt", iterations)
    return f"pbkdf2_{digest}${iterations}$saltsaltsalt${base64.b64encode(computed).decode()}"


def scrypt(text: str) -> str:
    computed = hashlib.scrypt(text.encode(), salt=b"seasalt", n=1024, r=8, p=5, maxmem=2**26, dklen=64)
    return f"scrypt$1024$seasalt$8$5${base64.b64encode(computed).decode()}"


def imported() -> dict[str, str]:
    text = RIGHT.reveal()
    digest = hashlib.sha256(text.encode()).hexdigest().encode()
    return {
        "pbkdf2_sha256": pbkdf2("sha256", text),
        "pbkdf2_sha1": pbkdf2("sha1", text),
        "bcrypt": "bcrypt$" + bcrypt.hashpw(text.encode(), bcrypt.gensalt(4)).decode(),
        "bcrypt_sha256": "bcrypt_sha256$" + bcrypt.hashpw(digest, bcrypt.gensalt(4)).decode(),
        "scrypt": scrypt(text),
        "argon2": "argon2" + PasswordHasher(time_cost=1, memory_cost=1024, parallelism=2).hash(text),
    }


async def test_new_hashes_are_argon2id_in_djangos_spelling(passwords: Passwords) -> None:
    stored = await passwords.hash(RIGHT)
    assert stored.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert stored != await passwords.hash(RIGHT)
    verified = await passwords.verify(RIGHT, stored)
    assert (verified.ok, verified.upgrade) == (True, None)
    assert not (await passwords.verify(Secret("wrong"), stored)).ok


@pytest.mark.parametrize("name", ["pbkdf2_sha256", "pbkdf2_sha1", "bcrypt", "bcrypt_sha256", "scrypt", "argon2"])
async def test_an_imported_hash_is_verified_and_upgraded(passwords: Passwords, name: str) -> None:
    stored = imported()[name]
    verified = await passwords.verify(RIGHT, stored)
    assert verified.ok
    assert verified.upgrade is not None
    assert formats.is_current(verified.upgrade)
    assert (await passwords.verify(RIGHT, verified.upgrade)).ok
    wrong = await passwords.verify(Secret("correct horse e"), stored)
    assert (wrong.ok, wrong.upgrade) == (False, None)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "!",
        "!d2c1e38970b78873fba045d5403a5dc350ca4670",
        "plain",
        "plain$x",
        "md5$salt$aa",
        "pbkdf2_sha256$x$y$z",
        "pbkdf2_sha256$1$2",
        "pbkdf2_sha256$99999999999$salt$aa",
        "pbkdf2_sha256$0$salt$aa",
        "argon2$nonsense",
        "argon2$argon2id$v=19$m=99999999,t=2,p=1$c2FsdHNhbHQ$aGFzaA",
        "argon2$argon2id$v=19$m=1024,t=2,p=1$???$???",
        "bcrypt$",
        "bcrypt$$2b$31$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "bcrypt$$2b$04$short",
        "scrypt$1048576$salt$8$1$aa",
        "scrypt$3$salt$8$1$aa",
        "scrypt$1024$salt$8",
    ],
)
async def test_an_unknown_hash_format_matches_no_password(passwords: Passwords, stored: str) -> None:
    for text in ("", "plain", stored):
        verified = await passwords.verify(Secret(text), stored)
        assert (verified.ok, verified.upgrade) == (False, None)


async def test_bcrypt_uses_72_bytes_and_refuses_nul(passwords: Passwords) -> None:
    stored = "bcrypt$" + bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert (await passwords.verify(Secret("x" * 100), stored)).ok
    assert not (await passwords.verify(Secret("x\0"), stored)).ok


async def test_a69_long_passwords_are_refused(passwords: Passwords) -> None:
    stored = await passwords.hash(Secret("x" * 1024))
    assert (await passwords.verify(Secret("x" * 1024), stored)).ok
    for text in ("x" * 1025, "é" * 513):
        with pytest.raises(PasswordTooLong):
            await passwords.hash(Secret(text))
        with pytest.raises(PasswordTooLong):
            await passwords.verify(Secret(text), stored)
        with pytest.raises(PasswordTooLong):
            await passwords.verify(Secret(text), "")


async def test_a69_the_queue_is_bounded() -> None:
    passwords = Passwords(workers=1, queue=3)
    results = await asyncio.gather(*(passwords.dummy() for _ in range(10)), return_exceptions=True)
    assert sum(one is None for one in results) == 4
    assert sum(isinstance(one, Busy) for one in results) == 6
    await passwords.dummy()
    passwords.close()


async def test_without_memory_no_password_is_wrong_and_no_place_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords(workers=1, queue=0)
    stored = await passwords.hash(Secret("right"))

    def failing(error: type[Argon2Error]) -> Callable[..., bytes]:
        def fail(*_: object, **__: object) -> bytes:
            raise error("Memory allocation error")

        return fail

    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr("argon2.low_level.verify_secret", failing(VerificationError))
            patch.setattr("argon2.low_level.hash_secret", failing(HashingError))
            with pytest.raises(NoMemory):
                await passwords.verify(Secret("right"), stored)
            with pytest.raises(NoMemory):
                await passwords.hash(Secret("right"))
            with pytest.raises(NoMemory):
                await passwords.dummy()
    assert (await passwords.verify(Secret("right"), stored)).ok
    passwords.close()


async def test_a_thread_that_cannot_be_started_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords(workers=1, queue=0)

    def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr("threading.Thread.start", no_thread)
        for _ in range(3):
            with pytest.raises(NoMemory):
                await asyncio.wait_for(passwords.dummy(), 20)
    await asyncio.wait_for(passwords.dummy(), 60)
    passwords.close()


async def test_a_cancelled_caller_keeps_its_place_until_the_hash_is_done() -> None:
    passwords = Passwords(workers=1, queue=0)
    task = asyncio.ensure_future(passwords.dummy())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(Busy):
        await passwords.dummy()

    async def given_back() -> bool:
        try:
            await passwords.dummy()
        except Busy:
            return False
        return True

    await until(given_back)
    passwords.close()


async def test_a42_an_unknown_user_costs_one_hash(monkeypatch: pytest.MonkeyPatch, passwords: Passwords) -> None:
    calls: list[str] = []
    make = formats.make
    monkeypatch.setattr(formats, "make", noting(lambda text, _: calls.append(text), make))
    credentials = Credentials(None, passwords)  # type: ignore[arg-type]
    assert not await credentials.verify(None, Secret("anything"))
    assert len(calls) == 1
    assert not (await passwords.verify(Secret("anything"), unusable())).ok
    assert len(calls) == 2


def test_unusable_hashes_differ() -> None:
    assert unusable() != unusable()


NFC, NFD = "crème brûlée à l'été", unicodedata.normalize("NFD", "crème brûlée à l'été")


@pytest.mark.parametrize(("hashed_form", "typed"), [(NFC, NFD), (NFD, NFC), (NFC, NFC), (NFD, NFD)])
async def test_every_unicode_form_of_a_password_matches(passwords: Passwords, hashed_form: str, typed: str) -> None:
    stored = await passwords.hash(Secret(hashed_form))
    verified = await passwords.verify(Secret(typed), stored)
    assert (verified.ok, verified.upgrade) == (True, None)
    assert not (await passwords.verify(Secret("creme brulee a l'ete"), stored)).ok


@pytest.mark.parametrize("typed", [NFC, NFD])
async def test_an_old_hash_of_the_typed_form_is_replaced(passwords: Passwords, typed: str) -> None:
    stored = formats.make(NFD, b"saltsaltsaltsalt")
    verified = await passwords.verify(Secret(typed), stored)
    assert verified.ok
    assert verified.upgrade is not None
    assert formats.is_match(NFC, verified.upgrade)


@given(st.text(max_size=20), st.sampled_from(["NFC", "NFD"]))
def test_the_unicode_forms_of_a_password(text: str, form: Literal["NFC", "NFD"]) -> None:
    assert 1 <= len(spellings(text)) <= 3
    assert text in spellings(text)
    assert spellings(unicodedata.normalize(form, text))[0] == spellings(text)[0]


async def test_a42_an_unknown_user_costs_as_many_hashes_for_every_unicode_form(
    monkeypatch: pytest.MonkeyPatch, passwords: Passwords
) -> None:
    stored = await passwords.hash(RIGHT)
    calls: list[str] = []
    make, is_match = formats.make, formats.is_match
    monkeypatch.setattr(formats, "make", noting(lambda text, _: calls.append(text), make))
    monkeypatch.setattr(formats, "is_match", noting(lambda text, _: calls.append(text), is_match))
    counts = []
    for hashed in (stored, "", unusable()):
        calls.clear()
        assert not (await passwords.verify(Secret("à"), hashed)).ok
        counts.append(len(calls))
    assert counts == [2, 2, 2]
