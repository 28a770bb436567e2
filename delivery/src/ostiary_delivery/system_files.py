"""System files that no package brings, because an installation makes them: accounts, links, certificates, programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ostiary_delivery.definition import Container, Image
from ostiary_delivery.errors import BadDefinition
from ostiary_delivery.lockfile import Lock
from ostiary_delivery.tree import Entry, file, link

AUTHORITIES: Final = "usr/share/ca-certificates/"
BUNDLE: Final = "etc/ssl/certs/ca-certificates.crt"
MOUNT_POINTS: Final = ("dev", "proc", "run", "sys")
"""Mount points of container runtimes. With a read-only root a runtime cannot make them."""
MERGED_FOLDERS: Final = (("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64"), ("sbin", "usr/sbin"))


def entries(container: Container, lock: Lock) -> list[Entry]:
    """Return the system files of an image. They follow from its definition and its lock alone."""
    image = container.image
    return [
        *(link(path, target) for path, target in MERGED_FOLDERS),
        file("etc/passwd", _accounts(image.user, ":/nonexistent:/usr/sbin/nologin", root=":/root:/usr/sbin/nologin")),
        file("etc/group", _accounts(image.user, "", root="", group=True)),
        file("etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n"),  # runtimes that know more put theirs in its place
        file("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n"),
        file("etc/os-release", _os_release(lock)),
        link("etc/localtime", "/usr/share/zoneinfo/Etc/UTC"),
        *_directories(image),
        *(_entry_point(name, where, container) for name, where in sorted(image.programs.items())),
    ]


def ca_bundle(entries: Iterable[Entry]) -> list[Entry]:
    """Return the bundle of the certificate authorities among the entries (PEM); empty when there are none."""
    certificates = sorted(
        (one for one in entries if one.path.startswith(AUTHORITIES) and one.path.endswith(".crt")),
        key=lambda one: one.path,
    )
    text = b"".join(one.content if one.content.endswith(b"\n") else one.content + b"\n" for one in certificates)
    return [file(BUNDLE, text)] if certificates else []


def _accounts(user: int, end: str, *, root: str, group: bool = False) -> bytes:
    name = "nogroup" if group else "nobody"
    lines = [f"root:x:0:{'' if group else '0:root'}{root}"]
    lines += [f"{name}:x:{user}:{'' if group else f'{user}:nobody'}{end}"] if user else []
    return ("\n".join(lines) + "\n").encode()


def _os_release(lock: Lock) -> bytes:
    suite = lock.suites[0] if lock.suites else None
    version = suite.version.partition(".")[0] if suite else ""
    codename = suite.codename if suite else ""
    return (
        f'PRETTY_NAME="Debian GNU/Linux {version} ({codename})"\nNAME="Debian GNU/Linux"\nVERSION_ID="{version}"\n'
        f'VERSION="{version} ({codename})"\nVERSION_CODENAME={codename}\nID=debian\n'
    ).encode()


def _directories(image: Image) -> list[Entry]:
    unknown: Sequence[str] = sorted(set(image.owned) - set(image.directories))
    if unknown:
        raise BadDefinition(f"image.owned names {', '.join(unknown)}, which image.directories does not have")
    return [
        *(Entry(path=path, kind="directory", mode=0o755) for path in MOUNT_POINTS),
        *(
            Entry(path=path.strip("/"), kind="directory", mode=mode, owned=path in image.owned)
            for path, mode in sorted(image.directories.items())
        ),
    ]


def _entry_point(name: str, target: str, container: Container) -> Entry:
    module, colon, function = target.partition(":")
    if not colon or container.wheels is None:
        raise BadDefinition(f"image.programs.{name} must be module:function, and needs wheels")
    start = f"#!/usr/bin/python{container.wheels.python} -I\nimport sys\n\n"
    text = f"{start}from {module} import {function}\n\nsys.exit({function}())\n"
    return file(f"usr/local/bin/{name}", text.encode(), mode=0o755)
