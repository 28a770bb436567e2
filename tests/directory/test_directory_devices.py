from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from support.explain import explain
from support.people import NOW, People

from ostiary.directory.authenticators.device import Attempt, Device
from ostiary.directory.authenticators.devices import MAX_DELAY, SECOND, Devices
from ostiary.directory.errors import Throttled
from ostiary.directory.user import User
from ostiary.events.event import event
from ostiary.events.repository import EventFilter, Events
from ostiary.flows.authenticators.static.authenticator import StaticAuthenticator, new_code
from ostiary.flows.authenticators.totp.authenticator import TotpAuthenticator
from ostiary.proto import totp
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.store.database import Database, Statement
from ostiary.store.workspace.commit import run

STEP = 30 * SECOND


@pytest.fixture
def devices(database: Database, sealer: Sealer) -> Devices:
    return Devices(database, sealer, [TotpAuthenticator, StaticAuthenticator])


@pytest.fixture
async def user(people: People) -> User:
    return await people.user("jo")


async def enrol(database: Database, devices: Devices, user: User, **more: int) -> bytes:
    key = devices.kind(TotpAuthenticator).new_key()
    statement = devices.kind(TotpAuthenticator).add(user=user.pk, name="Phone", key=key, now=NOW, **more)
    await database.write(lambda: run([statement]))
    return bytes.fromhex(key.reveal())


async def print_codes(database: Database, devices: Devices, user: User, number: int = 6) -> list[Secret]:
    codes = [new_code() for _ in range(number)]
    statements = devices.kind(StaticAuthenticator).add(user=user.pk, name="Paper", codes=codes, now=NOW)
    await database.write(lambda: run(statements))
    return codes


async def verify(
    devices: Devices, user: int, code: str, *, now: int, classes: Sequence[str] | None = None
) -> Device | None:
    return await devices.verify(user, Attempt({"code": code}, now), classes=classes)


def code_at(key: bytes, now: int, digits: int = 6) -> str:
    return totp.hotp(key, totp.counter_at(now), digits)


def wrong_at(key: bytes, now: int) -> str:
    near = {totp.hotp(key, totp.counter_at(now) + offset, 6) for offset in (-1, 0, 1)}
    return next(code for code in ("000000", "111111", "222222", "333333") if code not in near)


async def test_a_right_code_is_accepted(database: Database, devices: Devices, user: User) -> None:
    key = await enrol(database, devices, user)
    (device,) = await devices.confirmed(user.pk)
    assert (device.device_class, device.name, device.own["digits"], device.last_used) == ("totp", "Phone", 6, None)
    assert device.model == "authentik_stages_authenticator_totp.totpdevice"
    assert key.hex() not in repr(device)
    assert await verify(devices, user.pk, code_at(key, NOW), now=NOW) == device
    (device,) = await devices.confirmed(user.pk)
    assert device.last_used == NOW


async def test_a34_a_code_is_never_accepted_twice(database: Database, devices: Devices, user: User) -> None:
    key = await enrol(database, devices, user)
    assert await verify(devices, user.pk, code_at(key, NOW), now=NOW) is not None
    assert await verify(devices, user.pk, code_at(key, NOW), now=NOW) is None
    later = NOW + STEP
    assert await verify(devices, user.pk, code_at(key, NOW), now=later) is None
    later += 2 * SECOND
    earlier = code_at(key, NOW - STEP)
    assert await verify(devices, user.pk, earlier, now=later) is None
    later += 10 * SECOND
    assert await verify(devices, user.pk, code_at(key, later), now=later) is not None


async def test_the_code_of_the_enrolment_is_used_up(database: Database, devices: Devices, user: User) -> None:
    key = await enrol(database, devices, user, used=totp.counter_at(NOW))
    assert await verify(devices, user.pk, code_at(key, NOW), now=NOW) is None


async def test_a34_of_fifty_parallel_uses_one_succeeds(database: Database, devices: Devices, user: User) -> None:
    key = await enrol(database, devices, user)
    code = code_at(key, NOW)
    tries = [verify(devices, user.pk, code, now=NOW) for _ in range(50)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, Device) for one in results) == 1
    assert all(one is None or isinstance(one, Device | Throttled) for one in results)


async def test_a34_of_fifty_parallel_uses_of_a_static_code_one_succeeds(
    database: Database, devices: Devices, user: User
) -> None:
    codes = await print_codes(database, devices, user)
    tries = [verify(devices, user.pk, codes[0].reveal(), now=NOW) for _ in range(50)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, Device) for one in results) == 1


async def test_a34_failures_double_the_wait(database: Database, devices: Devices, user: User) -> None:
    key = await enrol(database, devices, user)
    now = NOW
    for delay in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600):
        assert await verify(devices, user.pk, wrong_at(key, now), now=now) is None
        with pytest.raises(Throttled) as caught:
            await verify(devices, user.pk, code_at(key, now), now=now + delay * SECOND - 1)
        assert caught.value.retry_after == 1
        with pytest.raises(Throttled) as caught:
            await verify(devices, user.pk, code_at(key, now), now=now)
        assert caught.value.retry_after == delay
        now += delay * SECOND
    assert MAX_DELAY == 600 * SECOND
    assert await verify(devices, user.pk, code_at(key, now), now=now) is not None
    assert await verify(devices, user.pk, wrong_at(key, now), now=now) is None
    assert await verify(devices, user.pk, code_at(key, now + STEP), now=now + SECOND) is not None


async def test_a34_of_fifty_parallel_guesses_one_is_counted(database: Database, devices: Devices, user: User) -> None:
    key = await enrol(database, devices, user)
    wrong = wrong_at(key, NOW)
    await asyncio.gather(*(verify(devices, user.pk, wrong, now=NOW) for _ in range(50)), return_exceptions=True)
    rows = await database.fetch("SELECT failures, locked_until FROM directory_totp")
    assert (rows[0]["failures"], rows[0]["locked_until"]) == (1, NOW + SECOND)


async def test_a34_a_guess_verified_before_the_lock_is_refused_by_the_statement(
    database: Database, devices: Devices, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statement itself refuses a guess whose verification began before the device was locked."""
    key = await enrol(database, devices, user)
    before = await devices.confirmed(user.pk)
    assert await verify(devices, user.pk, wrong_at(key, NOW), now=NOW) is None

    async def stale(*_: object) -> list[Device]:
        return before

    monkeypatch.setattr(devices, "confirmed", stale)
    assert await verify(devices, user.pk, code_at(key, NOW), now=NOW) is None


async def test_a_static_code_is_accepted_once_in_any_spelling(database: Database, devices: Devices, user: User) -> None:
    codes = await print_codes(database, devices, user)
    for number, code in enumerate(codes):
        text = code.reveal()
        typed = f" {text[:4].upper()}-{text[4:8]} {text[8:]} "
        now = NOW + number * STEP
        assert await verify(devices, user.pk, typed, now=now) is not None
        assert await verify(devices, user.pk, typed, now=now) is None
    rows = await database.fetch("SELECT 1 AS x FROM directory_static_code")
    assert rows == []


async def test_static_codes_are_stored_as_hashes(database: Database, devices: Devices, user: User) -> None:
    codes = await print_codes(database, devices, user)
    rows = await database.fetch("SELECT hash FROM directory_static_code")
    assert len(rows) == len(codes)
    assert all(len(row["hash"]) == 32 for row in rows)


async def test_a_code_belongs_to_its_user_and_class(
    database: Database, devices: Devices, user: User, people: People
) -> None:
    other = await people.user("other")
    key = await enrol(database, devices, user)
    codes = await print_codes(database, devices, user)
    assert await verify(devices, other.pk, code_at(key, NOW), now=NOW) is None
    assert await verify(devices, other.pk, codes[0].reveal(), now=NOW) is None
    assert await verify(devices, user.pk, codes[0].reveal(), now=NOW, classes=("totp",)) is None
    device = await verify(devices, user.pk, codes[0].reveal(), now=NOW, classes=("static",))
    assert device is not None
    assert device.device_class == "static"


async def test_a_right_code_resets_every_device(database: Database, devices: Devices, user: User) -> None:
    key = await enrol(database, devices, user)
    codes = await print_codes(database, devices, user)
    assert await verify(devices, user.pk, wrong_at(key, NOW), now=NOW) is None
    later = NOW + SECOND
    assert await verify(devices, user.pk, code_at(key, later), now=later) is not None
    assert await verify(devices, user.pk, codes[0].reveal(), now=later) is not None
    rows = await database.fetch("SELECT failures FROM directory_totp UNION SELECT failures FROM directory_static")
    assert [row["failures"] for row in rows] == [0]


async def test_a_code_of_either_of_two_devices_is_accepted(database: Database, devices: Devices, user: User) -> None:
    await enrol(database, devices, user)
    key = await enrol(database, devices, user, digits=8)
    device = await verify(devices, user.pk, code_at(key, NOW, 8), now=NOW)
    assert device is not None
    assert device.own["digits"] == 8


def told(user: User) -> Statement:
    return event("model_deleted", user=user.who, app="test", context={}, client_ip=None, now=NOW)


async def test_only_the_owner_renames_and_deletes_a_device(
    database: Database, devices: Devices, user: User, people: People
) -> None:
    other = await people.user("other")
    await enrol(database, devices, user)
    await print_codes(database, devices, user)
    for device in await devices.of_user(user.pk):
        assert not await devices.rename(other.pk, device, "Mine", now=NOW)
        assert await devices.rename(user.pk, device, "Renamed", now=NOW + 1)
        assert not await devices.delete(other.pk, device, audit_event=told(user))
    assert [one.name for one in await devices.of_user(user.pk)] == ["Renamed", "Renamed"]
    for device in await devices.of_user(user.pk):
        assert await devices.delete(user.pk, device, audit_event=told(user))
        assert not await devices.delete(user.pk, device, audit_event=told(user))
    assert await devices.of_user(user.pk) == []
    assert await database.fetch("SELECT 1 AS x FROM directory_static_code") == []
    assert await Events(database).count(EventFilter(action="model_deleted")) == 2


async def test_keys_are_sealed(database: Database, devices: Devices, user: User) -> None:
    key = await enrol(database, devices, user)
    rows = await database.fetch("SELECT key_sealed FROM directory_totp")
    assert key.hex() not in rows[0]["key_sealed"]
    assert totp.base32(key) not in rows[0]["key_sealed"]


async def test_hot_statements_use_an_index(database: Database, devices: Devices) -> None:
    plan = await explain(database, devices.listing, 1, 1)
    assert "SCAN" not in plan
    assert "Seq Scan on" not in plan


@pytest.mark.parametrize("ahead", [3600, 24 * 3600])
async def test_a_corrected_clock_leaves_no_device_locked(
    database: Database, devices: Devices, user: User, ahead: int
) -> None:
    key = await enrol(database, devices, user)
    codes = await print_codes(database, devices, user)
    wrong = NOW + ahead * SECOND
    assert await verify(devices, user.pk, code_at(key, wrong), now=wrong) is not None
    assert await verify(devices, user.pk, "000", now=wrong + STEP) is None
    assert await verify(devices, user.pk, code_at(key, NOW), now=NOW) is not None
    assert await verify(devices, user.pk, codes[0].reveal(), now=NOW) is not None
    assert await verify(devices, user.pk, code_at(key, NOW), now=NOW) is None, "once, as ever"
