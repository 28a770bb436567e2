"""`ostiary mail test`: what the mail server answered, or what to correct."""

from __future__ import annotations

import pytest
from cli_runs import Run
from support.mail_server import ADDRESS, mail_server
from support.ports import free_port


def test_a_test_message_is_sent_now(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server() as server:
        monkeypatch.setenv("AUTHENTIK_EMAIL__HOST", ADDRESS)
        monkeypatch.setenv("AUTHENTIK_EMAIL__PORT", str(server.port))
        monkeypatch.setenv("AUTHENTIK_EMAIL__FROM", "House <door@house.example>")
        done = run("mail", "test", "ada@house.example")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{ADDRESS}:{server.port} (no TLS) accepted the message to ada@house.example: queued as 1\n"
    (message,) = server.accepted
    assert message["From"] == "House <door@house.example>"
    assert message["Subject"] == "Mail from Ostiary works"


def test_a_server_that_is_away_names_the_setting(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTIARY_EMAIL__HOST", ADDRESS)
    monkeypatch.setenv("OSTIARY_EMAIL__PORT", str(free_port()))
    done = run("mail", "test", "ada@house.example")
    assert (done.code, done.out) == (1, "")
    assert "OSTIARY_EMAIL__HOST" in done.err


def test_what_is_no_address_is_said_so(run: Run) -> None:
    done = run("mail", "test", "ada")
    assert done.code == 1
    assert "expected an e-mail address" in done.err


def test_two_kinds_of_tls_are_refused(bare: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTIARY_EMAIL__USE_TLS", "true")
    monkeypatch.setenv("OSTIARY_EMAIL__USE_SSL", "1")
    done = bare("settings")
    assert done.code == 1
    assert "OSTIARY_EMAIL__USE_SSL: expected false" in done.err
