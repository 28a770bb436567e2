"""Commands: what they print, where, and their exit codes; errors are one line without a traceback."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runs import Done, Run
from support.postgres import PostgresServer

from ostiary import __version__
from ostiary.app import serve
from ostiary.store.postgresql.opening import PostgresConfig

GROUP = (
    "version: 1\nmetadata: {name: test}\nentries:\n  - model: authentik_core.group\n    identifiers: {name: family}\n"
)


def test_version(run: Run) -> None:
    assert run("version") == Done(0, f"ostiary {__version__}\n", "")


def test_version_and_help_by_the_options_people_try_first(run: Run) -> None:
    assert run("--version") == run("version")
    for words in ((), ("user",), ("user", "create"), ("blueprint", "apply"), ("serve",)):
        short, long = run(*words, "-h"), run(*words, "--help")
        assert short == long
        assert (short.code, short.err) == (0, "")
        assert short.out.startswith("Usage: ostiary")


@pytest.mark.parametrize(
    ("listen", "hosts", "said"),
    [
        ("127.0.0.1:9000", "", "ssh -L 9000:localhost:9000 "),
        ("[::1]:9000", "", "ssh -L 9000:localhost:9000 "),
        ("0.0.0.0:9000", "", "with the name or address of this one in place of localhost"),
        ("[::]:9000", "", "with the name or address of this one in place of localhost"),
        ("192.0.2.7:9000", "", None),
        ("0.0.0.0:9000", "id.example.org", None),
    ],
)
def test_a_link_that_says_localhost_tells_how_to_open_it_elsewhere(
    run: Run, monkeypatch: pytest.MonkeyPatch, listen: str, hosts: str, said: str | None
) -> None:
    monkeypatch.setenv("OSTIARY_LISTEN__HTTP", listen)
    if hosts:
        monkeypatch.setenv("OSTIARY_HOSTS", hosts)
    done = run("setup-link")
    assert re.fullmatch(r"https?://\S+token=\S+\n", done.out)
    assert "0.0.0.0" not in done.out
    assert (said in done.err) if said else done.err == ""


def test_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "ostiary", "version"], capture_output=True, text=True, timeout=90)
    assert done.stdout == f"ostiary {__version__}\n"


def test_no_command_shows_help_and_a_wrong_one_is_told(run: Run) -> None:
    bare = run()
    assert "blueprint" in bare.out + bare.err
    wrong = run("nothing")
    assert wrong.code == 2
    assert "nothing" in wrong.err


def test_settings_are_shown_with_their_sources_and_secrets_starred(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHENTIK_SECRET_KEY", "hush-hush")
    monkeypatch.setenv("AUTHENTIK_REDIS__HOST", "redis")
    done = run("settings")
    assert done.code == 0
    assert "OSTIARY_SECRET_KEY\t********\tenvironment AUTHENTIK_SECRET_KEY\n" in done.out
    assert "OSTIARY_LISTEN__HTTP\t127.0.0.1:9000\tdefault\n" in done.out
    assert "note: AUTHENTIK_REDIS__*" in done.out
    assert "hush" not in done.out


def test_a_wrong_setting_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTIARY_LISTEN__HTP", "x")
    for command in ("settings", "serve", "migrate"):
        done = run(command)
        assert done.code == 1
        assert done.err == (
            "ostiary: OSTIARY_LISTEN__HTP: no such setting, the nearest is OSTIARY_LISTEN__HTTP"
            " (a variable meant for !Env in a blueprint needs a name without OSTIARY_)\n"
        )


def test_debug_shows_where(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTIARY_LOG_LEVEL", "loud")
    with pytest.raises(Exception, match="OSTIARY_LOG_LEVEL"):
        run("--debug", "settings")


def test_people_and_groups(run: Run) -> None:
    made = run(
        "user",
        "create",
        "ada",
        "--email",
        "ada@example.org",
        "--name",
        "Ada",
        "--password-stdin",
        given="correct horse\n",
    )
    assert made.code == 0
    assert re.fullmatch(r"created ada \(number \d+\)\n", made.out)
    assert "without a password" in run("user", "create", "eve", "--password-stdin").out
    twice = run("user", "create", "ADA")
    assert (twice.code, twice.out) == (1, "")
    assert twice.err.startswith("ostiary: ")

    assert run("user", "set-password", "eve", "--password-stdin", given="battery staple\n").code == 0
    for command in (("set-password", "eve"), ("create", "newcomer")):
        short = run("user", *command, "--password-stdin", given="short\n")
        assert short.code == 1
        assert "at least 8 characters" in short.err
        common = run("user", *command, "--password-stdin", given="passwordpassword123456\n")
        assert common.code == 1
        assert "too easy to guess" in common.err
        assert "longer" not in common.err
    space = run("user", "create", "trail ", "--password-stdin", given="battery staple\n")
    assert (space.code, "white space at its ends" in space.err) == (1, True)
    assert (
        run("user", "set-password", "eve", "--password-stdin").err == "ostiary: expected a password on standard input\n"
    )
    assert "no terminal" in run("user", "set-password", "eve").err

    listed = [line.split("\t") for line in run("user", "list").out.splitlines()]
    assert [row[1:] for row in listed] == [
        ["ada", "Ada", "ada@example.org", "internal", "yes"],
        ["eve", "eve", "", "internal", "yes"],
    ]
    assert run("user", "list", "--search", "ada@").out.count("\n") == 1

    assert run("group", "add-user", "authentik Admins", "ada").out == "ada is a member of authentik Admins\n"
    assert "nowhere" in run("group", "add-user", "nowhere", "ada").err
    assert "nobody" in run("group", "add-user", "authentik Admins", "nobody").err


def test_links_that_let_somebody_in(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTIARY_HOSTS", "id.example.org")
    first, second = run("setup-link").out, run("setup-link").out
    assert first.startswith("https://id.example.org/if/flow/initial-setup/?token=")
    assert first != second
    run("user", "create", "ada")
    assert run("recovery-link", "ada").out.startswith("https://id.example.org/recovery/use-token/")
    assert run("recovery-link", "ada", "--without-mfa", "--minutes", "5").code == 0
    assert run("recovery-link", "nobody").code == 1


def test_blueprints_are_checked_and_applied(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "group.yaml"
    file.write_text(GROUP)
    checked = run("blueprint", "check", str(file))
    assert checked.code == 0
    assert "would be 1 created" in checked.out
    assert "1 created" in run("blueprint", "apply", str(file)).out
    assert "no changes" in run("blueprint", "apply", str(file)).out
    file.write_text(GROUP.replace("name: family", "nme: family"))
    wrong = run("blueprint", "apply", str(file))
    assert wrong.code == 1
    assert "group.yaml:5:" in wrong.err
    assert wrong.out == ""


def test_migrate_says_what_it_did(bare: Run) -> None:
    assert re.fullmatch(r"\d+ steps applied\n", bare("migrate").out)
    assert bare("migrate").out == "the database is up to date\n"


COMMANDS = (
    ("user", "list"),
    ("user", "create", "ada"),
    ("user", "revoke", "ada"),
    ("group", "add-user", "family", "ada"),
    ("blueprint", "check", "."),
    ("blueprint", "apply", "."),
    ("setup-link",),
    ("recovery-link", "akadmin"),
    ("keys", "retire"),
    ("backup", "copy.db"),
    ("server",),
    ("worker",),
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_in_the_wrong_folder_no_command_makes_another_installation(
    bare: Run, tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = bare(*words)
    assert done.code == 1
    assert f"OSTIARY_DATA_DIR: there is no installation in {tmp_path / 'data' / 'ostiary.db'}" in done.err
    assert not (tmp_path / "data").exists()


@pytest.fixture
def at_postgresql(bare: Run, postgres_config: PostgresConfig, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command at a database of PostgreSQL in which nothing is."""
    monkeypatch.setattr(serve, "STARTUP_TIMEOUT", 0)  # a process waits for another one that makes the installation
    monkeypatch.setenv("OSTIARY_SECRET_KEY", "a secret key for tests, long enough to be one")
    monkeypatch.setenv("OSTIARY_POSTGRESQL__HOST", postgres_config.host)
    monkeypatch.setenv("OSTIARY_POSTGRESQL__PORT", str(postgres_config.port))
    monkeypatch.setenv("OSTIARY_POSTGRESQL__NAME", postgres_config.name)
    monkeypatch.setenv("OSTIARY_POSTGRESQL__USER", postgres_config.user)
    monkeypatch.setenv("OSTIARY_POSTGRESQL__PASSWORD", postgres_config.password.reveal())
    return bare


def test_in_the_wrong_database_no_command_makes_another_installation(
    at_postgresql: Run, postgres_server: PostgresServer, postgres_config: PostgresConfig, tmp_path: Path
) -> None:
    absent = (
        "OSTIARY_POSTGRESQL__HOST and __NAME: there is no installation in the PostgreSQL database "
        f"{postgres_config.name} at {postgres_config.host}:{postgres_config.port}"
    )
    for words in COMMANDS:
        if words[0] != "backup":  # which is of SQLite only, and says so
            done = at_postgresql(*words)
            assert (done.code, absent in done.err) == (1, True), (words, done)
    assert not postgres_server.schemas(postgres_config) & {"ostiary"}
    assert not (tmp_path / "data").exists()
    assert at_postgresql("migrate").code == 0
    assert "ostiary" in postgres_server.schemas(postgres_config)
    assert at_postgresql("user", "list").code == 0


def test_a_lost_secret_key_is_not_replaced(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("user", "list").code == 0
    key = tmp_path / "data" / "secret-key"
    kept = key.read_text()
    key.unlink()
    for words in (("user", "list"), ("serve",)):
        done = run(*words)
        assert done.code == 1
        assert f"expected the secret key of {tmp_path / 'data' / 'ostiary.db'} in {key}" in done.err
        assert not key.exists()
    monkeypatch.setenv("OSTIARY_SECRET_KEY", kept.strip())
    assert run("user", "list").code == 0


def no_file_grows() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))


@pytest.mark.parametrize("words", [("user", "list"), ("user", "create", "ada"), ("server",)], ids=" ".join)
def test_where_nothing_can_be_written_the_database_is_told_and_not_the_key(run: Run, words: tuple[str, ...]) -> None:
    assert run("user", "list").code == 0
    command = [sys.executable, "-m", "ostiary", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, preexec_fn=no_file_grows)
    assert done.returncode == 1
    assert "secret" not in done.stderr
    assert "database" in done.stderr.splitlines()[-1]


def test_a_list_of_people_comes_in_pages(run: Run) -> None:
    for name in ("ada", "bob", "cleo"):
        run("user", "create", name)
    whole = run("user", "list")
    assert whole.err == ""
    rows = whole.out.splitlines()
    first = run("user", "list", "--limit", "2")
    assert first.out.splitlines() == rows[:2]
    number = rows[1].split("\t")[0]
    assert first.err == f"There are more: --after {number} shows the next, --limit 0 all.\n"
    assert run("user", "list", "--after", number).out.splitlines() == rows[2:]
    assert run("user", "list", "--limit", "0").out == whole.out


def test_a_health_check_of_nobody_fails(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTIARY_LISTEN__HTTP", "127.0.0.1:9")
    monkeypatch.setenv("OSTIARY_LISTEN__METRICS", "127.0.0.1:10")
    asked = run("healthcheck")
    assert asked.code == 1
    assert asked.out.startswith("not ready: nothing answers at 127.0.0.1:9, nor at 127.0.0.1:10")


def test_the_wrong_secret_key_names_the_setting(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("user", "list")
    monkeypatch.setenv("OSTIARY_SECRET_KEY", "another one")
    done = run("user", "list")
    assert done.code == 1
    assert done.err.startswith("ostiary: OSTIARY_SECRET_KEY: the database was written under another secret key")


def test_a_database_that_cannot_be_reached_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTIARY_SECRET_KEY", "k")
    monkeypatch.setenv("OSTIARY_POSTGRESQL__HOST", "127.0.0.1")
    monkeypatch.setenv("OSTIARY_POSTGRESQL__PORT", "9")
    done = run("user", "list")
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err
