"""The peers: oidc-provider on Node, django-oauth-toolkit, and what OpenSSL alone can sign."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from servers import SERVER_CORE, Started, free_port, start
from target import Paths, Target

HERE: Final = Path(__file__).parent / "peers"
BIN: Final = Path(sys.executable).parent
NODE_FOLDER: Final = BIN.parent / "bench" / "node"
NODE_PATHS: Final = Paths(
    token="/token",  # noqa: S106 - a path
    introspect="/token/introspection",
    userinfo="/me",
    authorize="/auth",
    discovery="/.well-known/openid-configuration",
    name="login",
)
DJANGO_PATHS: Final = Paths(token="/o/token/", introspect="/o/introspect/")  # noqa: S106 - a path
NODE_OPERATIONS: Final = frozenset(
    {"rs256", "es256", "opaque", "code", "refresh", "userinfo", "introspect", "discovery", "authorize", "login"}
)
DJANGO_OPERATIONS: Final = frozenset({"opaque", "introspect"})
_SIGNS: Final = re.compile(r"\s([0-9.]+)\s+[0-9.]+\s*$")


def serve_node(folder: Path) -> Started:
    """Start oidc-provider."""
    port = free_port()
    return start(
        [BIN / "node", NODE_FOLDER / "server.mjs", str(port)],
        port=port,
        path=NODE_PATHS.discovery,
        environ={"PATH": os.environ["PATH"], "NODE_ENV": "production"},
        log=folder / "node.log",
    )


def node_target(started: Started) -> Target:
    """Return oidc-provider as the operations know it."""
    return Target(
        name="oidc-provider",
        started=started,
        paths=NODE_PATHS,
        login_client="bench-opaque",
        operations=NODE_OPERATIONS,
    )


def serve_django(folder: Path) -> Started:
    """Start django-oauth-toolkit behind gunicorn: one process with threads, as it is pinned to one core."""
    port = free_port()
    environ = {"PATH": os.environ["PATH"], "BENCH_FOLDER": str(folder), "PYTHONPATH": str(HERE)}
    subprocess.run([sys.executable, HERE / "django_provider.py"], env=environ, check=True, capture_output=True)
    bound = f"127.0.0.1:{port}"
    options = [
        "--workers",
        "1",
        "--worker-class",
        "gthread",
        "--threads",
        "8",
        "--keep-alive",
        "75",
        "--no-control-socket",
    ]
    return start(
        [sys.executable, "-m", "gunicorn", *options, "--bind", bound, "django_provider:application"],
        port=port,
        path="/o/.well-known/oauth-authorization-server",
        environ=environ,
        log=folder / "django.log",
    )


def django_target(started: Started) -> Target:
    """Return django-oauth-toolkit as the operations know it."""
    return Target(name="django-oauth-toolkit", started=started, paths=DJANGO_PATHS, operations=DJANGO_OPERATIONS)


def openssl_rate(algorithm: str, seconds: int) -> float:
    """Return signatures in one CPU second of one core: "rsa2048" or "ecdsap256"."""
    done = subprocess.run(
        ["taskset", "-c", str(SERVER_CORE), "openssl", "speed", "-seconds", str(seconds), algorithm],
        capture_output=True,
        text=True,
        check=True,
    )
    found = _SIGNS.search(done.stdout.strip().splitlines()[-1])
    if found is None:
        raise RuntimeError(f"openssl speed said:\n{done.stdout}")
    return float(found[1])
