"""Ostiary under measurement: its blueprint, its people, on SQLite or PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servers import Started, free_port, start
from target import CALLBACK, PASSWORD, PEOPLE, SECRET, Paths, Target

if TYPE_CHECKING:
    from support.postgres import PostgresServer

OSTIARY: Final = Path(sys.executable).with_name("ostiary")
CHEAP: Final = Path(__file__).with_name("cheap_hash.py")
SLUG: Final = "bench-opaque"
DISCOVERY: Final = f"/application/o/{SLUG}/.well-known/openid-configuration"
PATHS: Final = Paths(
    token="/application/o/token/",  # noqa: S106 - a path
    introspect="/application/o/introspect/",
    userinfo="/application/o/userinfo/",
    authorize="/application/o/authorize/",
    discovery=DISCOVERY,
    name="uid_field",
)
OPERATIONS: Final = frozenset(
    {"rs256", "es256", "opaque", "code", "refresh", "userinfo", "introspect", "discovery", "authorize", "login"}
)

_HEAD: Final = """\
version: 1
metadata:
  name: bench
entries:
  - model: authentik_core.group
    id: people
    identifiers: {{name: bench-people}}
  - model: authentik_crypto.certificatekeypair
    id: es256
    identifiers: {{name: bench-es256}}
    attrs:
      certificate_data: |
{certificate}
      key_data: |
{key}
  - model: authentik_flows.flow
    id: asking
    identifiers: {{slug: bench-asking}}
    attrs:
      name: Bench, asking every time
      title: "Redirecting to %(app)s"
      designation: authorization
      authentication: require_authenticated
  - model: authentik_stages_consent.consentstage
    id: ask
    identifiers: {{name: bench-ask}}
    attrs: {{mode: always_require}}
  - model: authentik_flows.flowstagebinding
    identifiers: {{target: !KeyOf asking, stage: !KeyOf ask, order: 0}}
"""
_PERSON: Final = """\
  - model: authentik_core.user
    identifiers: {{username: {name}}}
    attrs:
      name: Ada Lovelace
      email: {name}@example.org
      password: {password}
      groups: [!KeyOf people]
"""
_CLIENT: Final = """\
  - model: authentik_providers_oauth2.oauth2provider
    id: provider-{slug}
    identifiers: {{name: {slug}}}
    attrs:
      client_type: confidential
      client_id: {slug}
      client_secret: {secret}
      authorization_flow: {flow}
      invalidation_flow: !Find [authentik_flows.flow, [slug, default-provider-invalidation-flow]]
      signing_key: {key}
      access_token_format: {format}
      access_code_validity: minutes=10
      pkce: required
      grant_types: [authorization_code, refresh_token, client_credentials]
      redirect_uris: [{{matching_mode: strict, url: "{callback}"}}]
      property_mappings:
        - !Find [authentik_providers_oauth2.scopemapping, [scope_name, openid]]
        - !Find [authentik_providers_oauth2.scopemapping, [scope_name, email]]
        - !Find [authentik_providers_oauth2.scopemapping, [scope_name, profile]]
        - !Find [authentik_providers_oauth2.scopemapping, [scope_name, offline_access]]
  - model: authentik_core.application
    id: application-{slug}
    identifiers: {{slug: {slug}}}
    attrs:
      name: {slug}
      provider: !KeyOf provider-{slug}
"""
_RSA: Final = "!Find [authentik_crypto.certificatekeypair, [name, authentik Self-signed Certificate]]"
_SILENT: Final = "!Find [authentik_flows.flow, [slug, default-provider-authorization-implicit-consent]]"


def blueprint() -> str:
    """Return what is applied: people, three clients that differ in their tokens, and one that asks for consent."""
    from ostiary.keys.certificate import generate_self_signed  # noqa: PLC0415 - after the path is set

    pair = generate_self_signed("bench-es256", "bench", key_type="ec-p256", now=1_700_000_000_000_000)
    head = _HEAD.format(certificate=_indented(pair.certificate_data), key=_indented(pair.key_data.reveal()))
    people = [_PERSON.format(name=name, password=PASSWORD) for name in PEOPLE]
    clients = [
        client("bench-rs256"),
        client("bench-es256", key="!KeyOf es256"),
        client("bench-opaque", form="opaque"),
        client("bench-login", form="opaque", flow="!KeyOf asking"),
    ]
    return "".join((head, *people, *clients))


def client(slug: str, *, key: str = _RSA, form: str = "jwt", flow: str = _SILENT) -> str:
    """Return the entries of one client and its application."""
    return _CLIENT.format(slug=slug, secret=SECRET, key=key, format=form, flow=flow, callback=CALLBACK)


def environment(folder: Path, postgres: PostgresServer | None, database: str = "") -> dict[str, str]:
    """Return the settings of one installation, without its ports."""
    settings = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "OSTIARY_DATA_DIR": str(folder / "data"),
        "OSTIARY_SECRET_KEY": "a-secret-key-of-the-benchmark-0123456789-0123456789",
        "OSTIARY_LOG_LEVEL": "warning",
    }
    if postgres is not None:
        config = postgres.config(database)
        settings |= {
            "OSTIARY_POSTGRESQL__HOST": config.host,
            "OSTIARY_POSTGRESQL__PORT": str(config.port),
            "OSTIARY_POSTGRESQL__NAME": config.name,
            "OSTIARY_POSTGRESQL__USER": config.user,
            "OSTIARY_POSTGRESQL__PASSWORD": config.password.reveal(),
        }
    return settings


def install(folder: Path, environ: dict[str, str], *, more: str = "") -> None:
    """Make the database and apply the blueprint."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "bench.yaml"
    file.write_text(blueprint() + more, encoding="utf-8")
    for words in (["migrate"], ["blueprint", "apply", str(file)]):
        command = [sys.executable, str(CHEAP), *words]
        done = subprocess.run(command, env=environ, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"`{' '.join(words)}` failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")


def serve(folder: Path, environ: dict[str, str], *, program: Path = CHEAP) -> Started:
    """Start the server by that program; `CHEAP` has the password hash that costs nothing, `OSTIARY` is the command."""
    port = free_port()
    command: list[str | Path] = [OSTIARY, "serve"] if program == OSTIARY else [sys.executable, program, "serve"]
    settings = {
        **environ,
        "OSTIARY_LISTEN__HTTP": f"127.0.0.1:{port}",
        "OSTIARY_LISTEN__METRICS": f"127.0.0.1:{free_port()}",
    }
    return start(command, port=port, path=DISCOVERY, environ=settings, log=folder / "server.log")


def target(name: str, started: Started, *, database: int | None = None) -> Target:
    """Return the server as the operations know it."""
    return Target(name=name, started=started, paths=PATHS, database=database, operations=OPERATIONS)


def _indented(text: str) -> str:
    return "\n".join(" " * 8 + line for line in text.strip().splitlines())
