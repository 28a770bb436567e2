"""The commands for the factors of one person, of every kind."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path

from cli_runs import Run
from support.postgres import apart

from ostiary.flows.authenticators.static.authenticator import StaticAuthenticator, new_code
from ostiary.flows.authenticators.totp.authenticator import TotpAuthenticator
from ostiary.flows.authenticators.webauthn.authenticator import WebAuthnAuthenticator
from ostiary.proto.webauthn import NO_AAGUID, Registered
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.store.database import Statement
from ostiary.store.sqlite.database import open_sqlite
from ostiary.store.workspace.commit import run as run_all

NOW = 1_800_000_000_000_000


def with_factors(folder: Path, user: int) -> None:
    """Give a user one factor of each kind."""
    sealer = Sealer(Secret("a secret key for tests, long enough to be one"))
    key = Registered(
        credential_id=secrets.token_hex(8),
        public_key="AA",
        sign_count=0,
        aaguid=NO_AAGUID,
        transports=(),
        user_verified=False,
        backed_up=False,
    )
    totp = TotpAuthenticator(sealer)
    statements: list[Statement] = [
        WebAuthnAuthenticator(sealer).add(
            key, user=user, name="My laptop", rp_id="id.example.org", user_handle="", now=NOW, last_used=NOW
        ),
        totp.add(user=user, name="Phone", key=totp.new_key(), now=NOW),
        *StaticAuthenticator(sealer).add(user=user, name="Paper", codes=[new_code()], now=NOW),
    ]

    async def write() -> None:
        database = await open_sqlite(folder / "data" / "ostiary.db")
        await database.write(lambda: run_all(statements))
        await database.close()

    apart(write)


def made(run: Run, name: str) -> int:
    match = re.search(r"number (\d+)", run("user", "create", name).out)
    assert match is not None
    return int(match[1])


def test_the_factors_of_a_person_are_listed(run: Run, tmp_path: Path) -> None:
    with_factors(tmp_path, made(run, "ada"))
    made(run, "eve")
    rows = [line.split("\t") for line in run("user", "factors", "ada").out.splitlines()]
    assert rows == [
        ["static:1", "Recovery codes", "Paper", "2027-01-15T08:00:00Z", "never", "yes"],
        ["totp:1", "Authenticator app", "Phone", "2027-01-15T08:00:00Z", "never", "yes"],
        ["webauthn:1", "Passkey", "My laptop", "2027-01-15T08:00:00Z", "2027-01-15T08:00:00Z", "yes"],
    ]
    assert run("user", "factors", "eve").out == ""


def test_one_factor_of_any_kind_is_removed_and_that_is_logged(run: Run, tmp_path: Path) -> None:
    ada, eve = made(run, "ada"), made(run, "eve")
    with_factors(tmp_path, ada)
    with_factors(tmp_path, eve)
    assert run("user", "remove-factor", "ada", "webauthn:1").out == "removed Passkey My laptop of ada; 2 left\n"
    assert run("user", "remove-factor", "ada", "totp:1").out == "removed Authenticator app Phone of ada; 1 left\n"
    assert run("user", "remove-factor", "ada", "static:1").out == "removed Recovery codes Paper of ada; 0 left\n"
    assert run("user", "factors", "ada").out == ""
    assert len(run("user", "factors", "eve").out.splitlines()) == 3
    events = [json.loads(line) for line in run("events", "--action", "model_deleted", "--json").out.splitlines()]
    told = [(one["user"]["username"], one["context"]["username"], one["context"]["model"]["name"]) for one in events]
    assert sorted(told) == [
        ("operator", "ada", "My laptop"),
        ("operator", "ada", "Paper"),
        ("operator", "ada", "Phone"),
    ]


def test_what_is_not_there_is_told_so(run: Run, tmp_path: Path) -> None:
    made(run, "ada")
    with_factors(tmp_path, made(run, "eve"))
    for id_ in ("webauthn:1", "webauthn", "", "-1"):
        done = run("user", "remove-factor", "ada", "--", id_)
        assert (done.code, done.err) == (1, f'ostiary: ada has no factor "{id_}".\n')
    for command in (("factors", "nobody"), ("remove-factor", "nobody", "totp:1")):
        done = run("user", *command)
        assert (done.code, done.err) == (1, 'ostiary: There is no user "nobody".\n')
    assert len(run("user", "factors", "eve").out.splitlines()) == 3
