"""The systemd unit, the compose file and the scripts of `deploy/host`, as far as they can be tried without systemd."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import compose_spec
import live
import pytest
import yaml
from edge_nginx import HOST
from live import Person, Server

PASSWORD = "correct horse battery"
CONFINEMENT = Path(__file__).with_name("edge_confinement.py")
UNIT = HOST / "ostiary.service"

TRIES = """
import ctypes, mmap, os, socket
tries = {
    "memory": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "chroot": lambda: os.chroot("/"),
    "setuid": lambda: os.setuid(os.getuid()),
    "priority": lambda: os.nice(-5),
}
for name, attempt in tries.items():
    try:
        attempt()
    except OSError:
        print(name)
"""


class TestUnit:
    def test_its_exposure_is_below_two(self) -> None:
        done = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", str(UNIT)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found = re.search(r"Overall exposure level for ostiary\.service: ([\d.]+)", done.stdout)
        assert found, done.stdout
        assert float(found[1]) < 2.0

    def test_systemd_understands_every_line(self, tmp_path: Path) -> None:
        """The program's place is the only thing that systemd may complain about here."""
        folder = tmp_path / "ostiary.service.d"
        folder.mkdir()
        copy = tmp_path / "ostiary.service"
        copy.write_text(UNIT.read_text().replace("/opt/ostiary/bin/ostiary", "/bin/true"))
        (folder / "postgresql.conf").write_text((HOST / "ostiary.service.d" / "postgresql.conf").read_text())
        done = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, timeout=60)
        assert [line for line in done.stderr.splitlines() if "ostiary" in line] == []

    def test_its_settings_are_ones_that_ostiary_knows(self, tmp_path: Path) -> None:
        environ = {"PATH": os.environ["PATH"]}
        for name in ("database", "secret-key"):
            (tmp_path / name).write_text("a-secret-for-tests-0123456789-0123456789")
        for path in (UNIT, HOST / "ostiary.service.d" / "postgresql.conf"):
            for line in re.findall(r"^Environment=(.*)$", path.read_text(), re.MULTILINE):
                for word in line.replace("%d", str(tmp_path)).replace("%S", str(tmp_path)).split():
                    name, _, value = word.partition("=")
                    environ[name] = value
        done = subprocess.run(
            [str(live.OSTIARY), "settings"], env=environ, capture_output=True, text=True, timeout=60, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert "a-secret-for-tests" not in done.stdout

    def test_the_server_runs_under_its_filters(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every system call that a sign-in needs is allowed; what the unit forbids is forbidden."""
        program = live.OSTIARY
        wrapper = tmp_path / "ostiary"
        wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} {CONFINEMENT} {UNIT} {program} "$@"\n')
        wrapper.chmod(0o755)
        monkeypatch.setattr(live, "OSTIARY", wrapper)
        server = Server(tmp_path, {"OSTIARY_BOOTSTRAP_PASSWORD": PASSWORD}).start()
        try:
            assert server.process is not None
            status = Path(f"/proc/{server.process.pid}/status").read_text()
            assert re.search(r"Seccomp:\s+2", status)
            person = Person(server.url, "akadmin", PASSWORD)
            assert person.get(f"{server.url}/if/user/").status_code == 200
        finally:
            assert server.stop() == 0

    def test_the_filters_of_that_test_are_real(self) -> None:
        command = [sys.executable, str(CONFINEMENT), str(UNIT), sys.executable, "-c", TRIES]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.stdout.split() == ["memory", "packets", "chroot", "setuid", "priority"], done.stderr


class TestCompose:
    @pytest.fixture
    def text(self) -> str:
        sample = dict(re.findall(r"^(\w+)=(.*)$", (HOST / "env.sample").read_text(), re.MULTILINE))
        text = (HOST / "compose.yaml").read_text()
        assert set(re.findall(r"\$\{(\w+)", text)) == set(sample)
        return re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: sample[found[1]], text)

    def test_follows_the_specification(self, text: str) -> None:
        # The library knows no image with tag and digest; the specification and Docker do.
        plain = yaml.safe_load(re.sub("@sha256:[0-9a-f]{64}", "", text))
        read = compose_spec.PyCompose.from_yaml(yaml.safe_dump(plain))
        read.validate()
        assert set(read.service_names()) == {"migrate", "server", "worker", "postgresql", "valkey"}
        plain["services"]["server"]["helthcheck"] = {}
        with pytest.raises(ValueError, match="helthcheck"):
            compose_spec.PyCompose.from_yaml(yaml.safe_dump(plain))

    def test_what_makes_the_installation_ends_before_others_begin(self, text: str) -> None:
        services = yaml.safe_load(text)["services"]
        assert services["migrate"]["command"] == ["migrate"]
        assert services["migrate"]["restart"] == "on-failure"
        assert services["migrate"]["depends_on"] == {"postgresql": {"condition": "service_healthy"}}
        for name in ("server", "worker"):
            assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}

    @pytest.mark.parametrize("name", ["migrate", "server", "worker", "postgresql", "valkey"])
    def test_every_service_is_held_tight(self, text: str, name: str) -> None:
        service = yaml.safe_load(text)["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert (
            service["healthcheck"] == {"disable": True}
            if name == "migrate"
            else "CMD" in service["healthcheck"]["test"]
        )
        assert not service["user"].startswith("0")
        assert any(line.startswith("/tmp") for line in service["tmpfs"])
        assert re.fullmatch(r"[a-z./-]+:v?[\d.]+(-\w+)?@sha256:[0-9a-f]{64}", service["image"])
        assert [port for port in service.get("ports", []) if not port.startswith("127.0.0.1:")] == []

    def test_its_settings_are_ones_that_ostiary_knows(self, text: str, tmp_path: Path) -> None:
        environ = {"PATH": os.environ["PATH"], **yaml.safe_load(text)["services"]["server"]["environment"]}
        for name in ("database", "secret-key"):
            (tmp_path / name).write_text("a-secret-for-tests-0123456789-0123456789")
        environ = {key: value.replace("/run/secrets", str(tmp_path)) for key, value in environ.items()}
        done = subprocess.run(
            [str(live.OSTIARY), "settings"], env=environ, capture_output=True, text=True, timeout=60, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr


class TestCommand:
    """`deploy/host/ostiary`, with a systemd-run that says what it was asked."""

    @pytest.fixture
    def asked(self, tmp_path: Path) -> Callable[..., list[str]]:
        program = tmp_path / "bin" / "systemd-run"
        program.parent.mkdir()
        program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        program.chmod(0o755)
        units = tmp_path / "units"
        shutil.copytree(HOST / "ostiary.service.d", units / "ostiary.service.d")
        shutil.copy(UNIT, units)

        def ask(*words: str) -> list[str]:
            environ = {"PATH": f"{program.parent}:{os.environ['PATH']}", "OSTIARY_UNITS": str(units)}
            command = [str(HOST / "ostiary"), *words]
            done = subprocess.run(command, env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            assert done.returncode == 0, done.stderr
            return done.stdout.splitlines()

        return ask

    def test_runs_as_the_service_does(self, asked: Callable[..., list[str]]) -> None:
        words = asked("user", "create", "a b", "*")
        assert words[-5:] == ["/opt/ostiary/bin/ostiary", "user", "create", "a b", "*"]
        for wanted in (
            "DynamicUser=yes",
            "User=ostiary",
            "StateDirectory=ostiary",
            "EnvironmentFile=-/etc/ostiary/ostiary.env",
            "Environment=OSTIARY_DATA_DIR=/var/lib/ostiary",
            "LoadCredential=database:/etc/ostiary/secrets/database",
        ):
            assert f"--property={wanted}" in words

    def test_finds_the_credentials_of_its_own_unit(self, asked: Callable[..., list[str]]) -> None:
        words = asked("migrate")
        name = next(word.removeprefix("--unit=") for word in words if word.startswith("--unit="))
        place = f"file:///run/credentials/{name}.service/secret-key"
        assert f"--property=Environment=OSTIARY_SECRET_KEY={place}" in words
        assert not [word for word in words if "%" in word]

    def test_what_a_drop_in_sets_comes_behind_the_unit(self, asked: Callable[..., list[str]]) -> None:
        words = asked("migrate")
        first = words.index("--property=Environment=OSTIARY_DATA_DIR=/var/lib/ostiary")
        assert first < words.index("--property=Environment=OSTIARY_POSTGRESQL__HOST=127.0.0.1")


@pytest.mark.parametrize("name", ["edge-shutoff", "edge-deny", "ostiary"])
def test_scripts_can_be_read_by_a_plain_shell_and_run(name: str) -> None:
    assert (HOST / name).stat().st_mode & 0o111
    assert subprocess.run(["sh", "-n", str(HOST / name)]).returncode == 0
