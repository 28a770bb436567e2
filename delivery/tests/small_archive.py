"""A Debian archive, a package index and a repository, all tiny and made by the tests themselves."""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

DATE = 1_760_000_000


def make_deb(
    name: str,
    version: str = "1.0-1",
    *,
    files: Mapping[str, bytes] | None = None,
    depends: str = "",
    fields: Mapping[str, str] | None = None,
    scripts: Sequence[str] = (),
    modes: Mapping[str, int] | None = None,
    mtime: int = 1,
) -> bytes:
    lines = {"Package": name, "Version": version, "Architecture": "amd64", "Depends": depends, **(fields or {})}
    control = "".join(f"{key}: {value}\n" for key, value in lines.items() if value).encode()
    inside = {"./control": control, **{f"./{script}": b"#!/bin/sh\nexit 1\n" for script in scripts}}
    found = {f"./{path}": content for path, content in (files or {f"usr/share/{name}": name.encode()}).items()}
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": make_tar(inside, mode="w:xz", mtime=mtime),
        "data.tar.xz": make_tar(found, mode="w:xz", mtime=mtime, modes=modes or {}),
    }
    packed = b"!<arch>\n"
    for member, data in members.items():
        packed += (
            f"{member:<16}{mtime:<12}0     0     100644  {len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
        )
    return packed


def make_tar(files: Mapping[str, bytes], *, mode: str, mtime: int, modes: Mapping[str, int] = {}) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.mode = modes.get(path.removeprefix("./"), 0o644)
            member.mtime = mtime
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def make_wheel(
    name: str,
    version: str = "1.0",
    *,
    requires: Sequence[str] = (),
    body: bytes = b"VALUE = 1\n",
    scripts: Mapping[str, bytes] | None = None,
) -> bytes:
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = {
        f"{name}/__init__.py": body,
        f"{info}/METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{needs}".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **{f"{name}-{version}.data/scripts/{script}": content for script, content in (scripts or {}).items()},
    }
    record = ""
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(content)}\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            archive.writestr(zipfile.ZipInfo(path), content)
    return buffer.getvalue()


@dataclass
class Signer:
    """A key that signs releases, made with the real gpg."""

    home: Path
    keyring: Path = field(init=False)

    def __post_init__(self) -> None:
        self.home.mkdir(mode=0o700, parents=True)
        self.keyring = self.home / "keyring.gpg"
        self.gpg("--passphrase", "", "--quick-generate-key", "archive@example.org", "ed25519", "sign", "never")
        self.keyring.write_bytes(self.gpg("--export"))

    def gpg(self, *words: str, given: bytes = b"") -> bytes:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--no-tty", *words]
        return subprocess.run(command, input=given, capture_output=True, check=True).stdout

    def sign(self, text: str) -> bytes:
        return self.gpg("--clearsign", "--output", "-", given=text.encode())


@dataclass
class Archive:
    """An archive with one suite; `publish` writes it as its .debs are at that moment."""

    root: Path
    signer: Signer
    suite: str = "small"
    debs: dict[str, bytes] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.root.as_uri()

    def add(self, name: str, version: str = "1.0-1", **more: object) -> None:
        self.debs[name] = make_deb(name, version, **more)  # type: ignore[arg-type]

    def publish(self, *, date: int = DATE, until: int | None = None) -> None:
        listed = ""
        for name, data in self.debs.items():
            control = _control(data)
            path = f"pool/{name}_{hashlib.sha256(data).hexdigest()[:8]}.deb"
            write(self.root / path, data)
            digest = hashlib.sha256(data).hexdigest()
            listed += f"{control}Filename: {path}\nSize: {len(data)}\nSHA256: {digest}\n\n"
        folder = self.root / "dists" / self.suite
        write(folder / "main/binary-amd64/Packages", listed.encode())
        digest = hashlib.sha256(listed.encode()).hexdigest()
        when = format_datetime(datetime.fromtimestamp(date, UTC))
        text = f"Suite: {self.suite}\nCodename: {self.suite}\nVersion: 1.0\nDate: {when}\n"
        if until is not None:
            text += f"Valid-Until: {format_datetime(datetime.fromtimestamp(until, UTC))}\n"
        text += f"SHA256:\n {digest} {len(listed.encode())} main/binary-amd64/Packages\n"
        write(folder / "InRelease", self.signer.sign(text))


def _control(data: bytes) -> str:
    from ostiary_delivery.debian.package import read

    return read(data, name="test").text


def write(path: Path, data: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


CONTAINER = """
name = "door"
version = "1.2.0"

[debian]
suites = ["small"]
packages = ["door-data", "libc"]
[debian.without]
shell = "nothing here runs one"

[wheels]
project = "."
requirements = "requirements.txt"
python = "3.13"
bytecode = false

[image]
entry = ["/usr/local/bin/door"]
ports = [9000]
owned = ["data"]
[image.programs]
door = "door:main"
[image.directories]
data = "0700"
tmp = "1777"

[layers]
smallest = 200

[[assert]]
wheel = "door"
[[assert]]
deb = "libc"
equals = "2.41"
"""

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "door"
version = "1.2.0"
dependencies = ["hinge>=1", "colour; sys_platform == 'win32'"]
"""


def make_repository(root: Path, *, wheels: Mapping[str, bytes]) -> None:
    write(root / "containers/door/container.toml", CONTAINER)
    write(root / "pyproject.toml", PROJECT)
    write(root / "door/__init__.py", "def main():\n    return 0\n")
    lines = []
    for name, data in wheels.items():
        stem, version = name.split("-")[:2]
        lines.append(f"{stem}=={version} --hash=sha256:{hashlib.sha256(data).hexdigest()}")
    write(root / "requirements.txt", "\n".join(lines) + "\n")
