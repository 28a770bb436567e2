"""Every command of every how-to page: run, in the order of the pages and as it is written, or listed with its reason.

A reader's machine is a scratch folder with a copy of the repository, a home and a running Ostiary. Only this differs
from a reader's: `curl` reaches `id.example.org` and the metrics port where this server really listens, and absolute
paths of the pages lie below the scratch folder. What cannot run here stands in how_to_not_run.toml.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
import typer
import yaml
from live import OSTIARY, Server
from support.documents import LANGUAGES, ROOT, blocks, commands, inline, of_language, pages
from support.ports import free_port
from support.waiting import wait_until

sys.path.insert(0, str(Path(__file__).parents[1] / "oauth2"))

from oauth2_client_keys import Key

HOW_TO = "docs/how-to/"
LISTED = tomllib.loads((Path(__file__).parent / "how_to_not_run.toml").read_text())["not_run"]
NOT_RUN = {(one["page"], command): one["reason"] for one in LISTED for command in one["commands"]}
HOST = "https://id.example.org"
PLACED = ("/backup/", "/safe/place/", "/etc/ssl/", "/tmp/ostiary")
"""Absolute paths in pages that lie below the scratch folder here."""


class Machine:
    """A reader's machine: commands are typed one after the other into one shell, whose state is kept in between."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder, self.server = folder, server
        self.home, self.checkout, self.bin = folder / "home", folder / "checkout", folder / "bin"
        for one in (self.home, self.bin, folder / "backup", folder / "safe/place", folder / "etc/ssl/id.example.org"):
            one.mkdir(parents=True)
        copy_repository(self.checkout)
        self.state = folder / "state"
        self.state.write_text("")
        self.here = folder / "cwd"
        self.here.write_text(str(self.checkout))
        self.authority = folder / "etc/ssl/id.example.org/fullchain.pem"
        make_certificate(self.authority, folder / "etc/ssl/id.example.org/privkey.pem")
        self._put_programs()

    def _put_programs(self) -> None:
        beside = OSTIARY.parent
        for name in ("ostiary", "ostiary-delivery", "kubectl"):
            (self.bin / name).symlink_to(beside / name)
        (self.checkout / ".venv/bin").mkdir(parents=True)
        (self.checkout / ".venv/bin/ostiary").symlink_to(OSTIARY)
        https = self.server.environ["OSTIARY_LISTEN__HTTPS"]
        curl = (
            f"#!/bin/sh\nexec {shutil.which('curl')} --fail-with-body --cacert {self.authority}"
            f" --connect-to id.example.org:443:{https} --connect-to 127.0.0.1:9300:127.0.0.1:{self.server.metrics}"
            ' "$@"\n'
        )
        (self.bin / "curl").write_text(curl)
        (self.bin / "curl").chmod(0o755)

    def placed(self, text: str) -> str:
        for path in PLACED:
            text = re.sub(rf"(?<![\w.~]){path}", f"{self.folder}{path}", text)
        return text

    def type(self, command: str) -> str:
        """Run one line and return what it printed.

        Raises:
            AssertionError: it failed; with what it said.
        """
        script = f'. "{self.state}"; cd "$(cat "{self.here}")"\n{self.placed(command)}\n'
        script += f'code=$?; export -p >"{self.state}"; pwd >"{self.here}"; exit $code'
        environment = {key: value for key, value in self.server.environment.items() if key != "OSTIARY_BLUEPRINTS_DIR"}
        environment |= {"HOME": str(self.home), "PATH": f"{self.bin}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
        ended = subprocess.run(
            ["bash", "-u", "-o", "pipefail", "-c", script],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert ended.returncode == 0, f"$ {command}\n{ended.stdout}{ended.stderr}"
        return ended.stdout

    def type_until_it_works(self, command: str) -> str:
        """The same for what asks the server, which hears of a change a moment later."""
        told: list[str] = []

        def works() -> bool:
            try:
                told.append(self.type(command))
            except AssertionError as failed:
                told.append(str(failed))
                return False
            return True

        wait_until(works, what=lambda: told[-1], pause=0.5)
        return told[-1]

    def save(self, name: str, text: str) -> Path:
        path = Path(self.here.read_text().strip()) / name
        path.write_text(self.placed(text))
        return path


def copy_repository(target: Path) -> None:
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"]
    listed += [
        "containers",
        "deploy",
        "examples",
        "service-versions.yaml",
        "pyproject.toml",
        "requirements*.txt",
        "src",
    ]
    found = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in filter(None, found.split("\0")):
        if (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def make_certificate(certificate: Path, key: Path) -> None:
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days"]
    made += ["2", "-keyout", str(key), "-out", str(certificate), "-subj", "/CN=id.example.org"]
    subprocess.run([*made, "-addext", "subjectAltName=DNS:id.example.org"], check=True, capture_output=True)


@pytest.fixture(scope="module")
def machine(make_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Machine:
    server = make_server(
        OSTIARY_HOSTS="id.example.org",
        OSTIARY_LISTEN__HTTPS=f"127.0.0.1:{free_port()}",
        OSTIARY_BOOTSTRAP_PASSWORD="a quiet enough password",
    ).start()
    return Machine(tmp_path_factory.mktemp("reader"), server)


@dataclass(frozen=True)
class Reading:
    """How a page is read: which of its blueprints is saved under which name, and what was done or is seen beside."""

    page: str
    files: Sequence[str] = ()
    """Names for the page's blueprints, in order."""
    before: dict[str, Callable[[Machine], None]] = field(default_factory=dict)
    """What has to be there before a command, by its beginning; what the page takes for granted."""
    seen: dict[str, str] = field(default_factory=dict)
    """What a command shows, by its beginning: an expression that is found in its output."""

    @property
    def path(self) -> str:
        return self.page if "/" in self.page or self.page == "README.md" else f"{HOW_TO}{self.page}"


def forge_signs(machine: Machine) -> None:
    """A forge that nobody can reach from here: its keys are handed over instead of fetched, and sign a job's token."""
    key = Key("rsa")
    keys = json.dumps({"keys": [{**key.jwk, "kid": "k", "use": "sig"}]})
    entry = {
        "model": "authentik_sources_oauth.oauthsource",
        "identifiers": {"slug": "forge"},
        "attrs": {"oidc_well_known_url": "", "oidc_jwks": json.loads(keys)},
    }
    path = machine.folder / "keys.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "metadata": {"name": "keys"}, "entries": [entry]}))
    machine.server.cli("blueprint", "apply", str(path))
    now = int(time.time())
    claims = {"iss": "https://forge.example.org", "sub": "repo:house/deploy", "aud": "deploy", "iat": now}
    token = key.sign({"alg": "RS256", "typ": "JWT", "kid": "k"}, {**claims, "exp": now + 300})
    machine.type(f"export TOKEN={token}")


def a_copy_of_that_day(machine: Machine) -> None:
    """The server is stopped for good, and the copy that the page made has the date that the page writes."""
    assert machine.server.stop() == 0
    (made,) = (machine.folder / "backup").glob("ostiary-*.db")
    wanted = machine.folder / "backup/ostiary-2026-11-22.db"
    if made != wanted:
        made.rename(wanted)


def the_key_was_kept(machine: Machine) -> None:
    shutil.copy(machine.server.folder / "data/secret-key", machine.folder / "safe/place/secret-key")
    machine.type("unset OSTIARY_SECRET_KEY")


def something_rendered(machine: Machine) -> None:
    machine.type("ostiary-delivery render generic > rendered.yaml")


CHANGED = r"(created|updated)"
READINGS = [
    Reading("README.md", seen={".venv/bin/ostiary blueprint check": "would be"}),
    Reading("apply-a-blueprint.md", ["people.yaml"], seen={"ostiary blueprint apply": CHANGED}),
    Reading(
        "connect-an-application.md",
        ["wiki.yaml", "verified.yaml"],
        seen={"ostiary blueprint apply": CHANGED, "ostiary recovery-link": rf"{HOST}/recovery/use-token/"},
    ),
    Reading("serve-tls.md", ["web.yaml"]),
    Reading("watch-health.md"),
    Reading("find-out-why.md", seen={"ostiary events --since 30d": '"action":"model_created"'}),
    Reading("connect-headscale.md", ["headscale.yaml"], seen={"ostiary blueprint apply": CHANGED}),
    Reading("connect-jupyterhub.md", ["jupyterhub.yaml"], seen={"ostiary blueprint apply": CHANGED}),
    Reading("connect-kubectl.md", ["kubernetes.yaml", "device.yaml"], seen={"kubectl config": "oidc"}),
    Reading("connect-miniflux.md", ["miniflux.yaml"], seen={"ostiary blueprint apply": CHANGED}),
    Reading("connect-oauth2-proxy.md", ["oauth2-proxy.yaml"], seen={"ostiary blueprint apply": CHANGED}),
    Reading("connect-vouch-proxy.md", ["vouch.yaml"], seen={"ostiary blueprint apply": CHANGED}),
    Reading("connect-zot.md", ["zot.yaml"], seen={"curl": '"access_token":'}),
    Reading("trust-another-issuer.md", ["forge.yaml"], before={"curl": forge_signs}, seen={"curl": '"access_token":'}),
    Reading("rotate-signing-keys.md", seen={"ostiary keys rotate": "signs"}),
    Reading("create-the-secrets.md", seen={"ostiary-delivery secrets init generic": '"secret-key"'}),
    Reading("deploy-on-kubernetes.md"),
    Reading("release-from-a-branch.md"),
    Reading("review-services.md", before={"ostiary-delivery services-check": something_rendered}),
    Reading(
        "examples/homelab/README.md",
        before={"sh ": lambda machine: (machine.checkout / "data/homelab.env").unlink()},
    ),
    Reading(
        "back-up-and-restore.md",
        before={"ostiary restore": a_copy_of_that_day, "mkdir try": the_key_was_kept},
        seen={"OSTIARY_DATA_DIR=try ostiary user list": "akadmin"},
    ),
]

T = TypeVar("T")


def of(found: Mapping[str, T], command: str) -> T | None:
    return next((value for start, value in found.items() if command.startswith(start)), None)


@pytest.mark.timeout(1200)
def test_commands_run_in_order_as_they_are_written(machine: Machine) -> None:
    """One reader goes through the pages from top to bottom: what one page made is there on the next."""
    for reading in READINGS:
        machine.here.write_text(str(machine.checkout))
        found = of_language(reading.path, "yaml", "version: 1")
        for name, text in zip(reading.files, found, strict=True):
            machine.save(name, text)
        for command in commands(reading.path):
            if (reading.path, command) in NOT_RUN:
                continue
            prepare = of(reading.before, command)
            if callable(prepare):
                prepare(machine)
            shown = machine.type_until_it_works(command) if command.startswith("curl") else machine.type(command)
            wanted = of(reading.seen, command)
            assert wanted is None or re.search(str(wanted), shown), f"{reading.page}: $ {command}\n{shown}"
        if reading.page == "serve-tls.md":
            machine.server.cli("blueprint", "apply", str(machine.checkout / "web.yaml"))
    private = (machine.checkout / "data/homelab.env").stat()
    assert private.st_mode & 0o777 == 0o600


def test_no_command_is_neither_run_nor_listed() -> None:
    run = {reading.path for reading in READINGS}
    loose = [
        (page, command)
        for page in pages()
        if page not in run
        for command in commands(page)
        if (page, command) not in NOT_RUN
    ]
    assert loose == []
    written = {(page, command) for page in pages() for command in commands(page)}
    assert NOT_RUN.keys() <= written, NOT_RUN.keys() - written
    assert all(len(reason) > 10 for reason in NOT_RUN.values())


@pytest.mark.parametrize("page", pages())
def test_blocks_say_what_they_are_and_files_in_them_can_be_read(page: str) -> None:
    readers: dict[str, Callable[[str], object]] = {
        "json": json.loads,
        "toml": tomllib.loads,
        "python": ast.parse,
        "yaml": lambda text: list(yaml.load_all(text, Loader=AnyTag)),
    }
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{page}: {block.language}"
        if block.language in readers:
            readers[block.language](block.text)


class AnyTag(yaml.SafeLoader):
    """YAML with !Find and the like."""


AnyTag.add_multi_constructor("!", lambda _loader, _suffix, node: node.tag)


@pytest.mark.parametrize(
    ("page", "number", "text"),
    [(page, number, text) for page in pages() for number, text in enumerate(of_language(page, "env"))],
)
def test_settings_in_pages_are_understood(page: str, number: int, text: str, tmp_path: Path) -> None:
    (tmp_path / "database").write_text("x")
    script = "set -a\n" + text.replace("/run/secrets/", f"{tmp_path}/") + f'\nexec "{OSTIARY}" settings'
    environment = {"PATH": os.environ["PATH"], "OSTIARY_DATA_DIR": str(tmp_path)}
    ended = subprocess.run(["bash", "-eu", "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, f"{page}, block {number}: {ended.stderr}"
    for name in re.findall(r"^(\w+)=", text, re.MULTILINE):
        assert name in ended.stdout


def programs() -> dict[str, Any]:
    """Our two programs, as their command line library holds them."""
    from ostiary_delivery.cli import app as delivery

    from ostiary.cli.commands import app as ostiary

    return {"ostiary": typer.main.get_command(ostiary), "ostiary-delivery": typer.main.get_command(delivery)}


def misused(words: Sequence[str], command: Any) -> str | None:
    """Say what of a command line does not exist: a command, or an option of it."""
    rest = list(words)
    while rest and hasattr(command, "commands") and not rest[0].startswith("-"):
        below = command.commands.get(rest[0])
        if below is None:
            return f"there is no command {rest[0]}"
        command = below
        rest.pop(0)
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help", "-h"}
    strange = [word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)]
    return next((f"there is no option {word}" for word in strange if word not in known), None)


USED = re.compile(r"(?:^|[|;&] *|\bsudo |[A-Z_]+=\S+ |bin/)(ostiary(?:-delivery)?) ([a-z-][^|;&>]*)")
"""One of our programs at the beginning of a command."""


@pytest.mark.parametrize("page", [*pages(), "docs/delivery.md", "docs/compatibility.md"])
def test_named_commands_exist_with_their_options(page: str) -> None:
    known = programs()
    for text in [*commands(page), *inline(page)]:
        for found in USED.finditer(text):
            wrong = misused(found[2].split(), known[found[1]])
            assert wrong is None, f"{page}: `{text}`: {wrong}"


@pytest.mark.parametrize(("page", "command"), sorted(NOT_RUN))
def test_what_is_not_run_names_things_that_exist(page: str, command: str) -> None:
    plain = re.sub(r"<[a-z ]+>", "PLACEHOLDER", command)
    ended = subprocess.run(["bash", "-n", "-c", plain], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{page}: {command}: {ended.stderr}"
    for word in plain.split():
        if re.match(r"(deploy|containers|examples|scripts|docs)/", word):
            assert list(ROOT.glob(word.rstrip("/"))), f"{page}: there is no {word}"
    if command.startswith("make "):
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert command.split()[1] in targets


def test_an_invented_option_would_be_found() -> None:
    known = programs()
    assert misused(["user", "create", "ada", "--colour", "red"], known["ostiary"]) == "there is no option --colour"
    assert misused(["usr", "list"], known["ostiary"]) == "there is no command usr"
    assert misused(["keys", "rotate", "wiki", "--wait=5"], known["ostiary"]) is None
