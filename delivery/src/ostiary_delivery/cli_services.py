"""The commands about services: what is declared and when it was reviewed, and what runs."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ostiary_delivery.errors import BadDefinition, Refusal

if TYPE_CHECKING:  # a command loads what it needs
    from ostiary_delivery.running.finding import Finding

Repository = Annotated[Path, typer.Option("--repository", "-C", help="Folder that holds service-versions.yaml.")]
VALKEY_PASSWORD: Final = "DELIVERY_VALKEY_PASSWORD"  # noqa: S105 - the name of a variable
SIGNS: Final = {True: "good", False: "BAD", None: "?"}

services = typer.Typer(help="The file service-versions.yaml.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(services, name="services")
    app.command("services-check")(services_check)


@services.command()
def backfill(
    repository: Repository = Path(),
    write: Annotated[bool, typer.Option("--write", help="Write the file; else only say what would be added.")] = False,
) -> None:
    """Give attached services their `parent`, where their names say it."""
    from ostiary_delivery import services as listed  # noqa: PLC0415 - a command loads what it needs

    path = repository / listed.FILE
    text, changed = listed.backfill(path)
    for name in changed:
        typer.echo(f"{name}: parent {'written' if write else 'is missing'}")
    if write and changed:
        path.write_text(text, encoding="utf-8")
    if not changed:
        typer.echo("nothing to add")


@services.command()
def review(
    repository: Repository = Path(),
    days: Annotated[int, typer.Option("--days", min=0, help="A review older than this is stale.")] = 90,
    stale: Annotated[bool, typer.Option("--stale", help="Show only what is stale.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="End with exit code 1 when something is stale.")] = False,
) -> None:
    """Show when somebody last looked for a newer version of each service, the longest ago first."""
    from ostiary_delivery import review as reviewing  # noqa: PLC0415 - a command loads what it needs
    from ostiary_delivery import services as listed  # noqa: PLC0415

    path = repository / listed.FILE
    if not path.is_file():
        raise BadDefinition(f"{path} is not there")
    shown = reviewing.review(listed.read(path), today=dt.datetime.now(dt.UTC).date(), days=days, path=path)
    old = [one for one in shown if one.stale]
    for line in reviewing.lines(old if stale else shown):
        typer.echo(line)
    typer.echo(f"{len(old)} of {len(shown)} services were not reviewed within {days} days")
    if strict and old:
        raise Refusal("services are to be reviewed")


def services_check(  # noqa: PLR0917 - options of a command
    target: Annotated[str, typer.Argument(help="URL of the server, or a manifest: a file or a folder.")],
    repository: Repository = Path(),
    images: Annotated[Path | None, typer.Option("--images", help="Folder of built images.")] = None,
    name: Annotated[str, typer.Option("--name", help="Whose declared version counts.")] = "ostiary",
    metrics: Annotated[str | None, typer.Option("--metrics", help="URL of the server's metrics port.")] = None,
    worker: Annotated[str | None, typer.Option("--worker", help="URL of the worker's metrics port.")] = None,
    valkey: Annotated[str | None, typer.Option("--valkey", help=f"host[:port]; {VALKEY_PASSWORD} opens it.")] = None,
    keys: Annotated[list[str] | None, typer.Option("--keys", help="URL of a key set (JWKS).")] = None,
    authorities: Annotated[
        Path | None, typer.Option("--ca", help="Authorities that https is verified by (PEM), not the machine's own.")
    ] = None,
    tls_name: Annotated[
        str | None, typer.Option("--tls-name", help="The name its certificate is for, when the URL has another.")
    ] = None,
) -> None:
    """Say whether services are live, ready and of the declared version, and how old certificates and keys are."""
    from ostiary_delivery.running import manifest, probe  # noqa: PLC0415 - a command loads what it needs
    from ostiary_delivery.running.finding import declared, declared_digest  # noqa: PLC0415

    wanted = declared(repository)
    folder = images or repository / "dist" / "images"
    digest = declared_digest(repository, folder, name)
    found: list[Finding] = []
    if "://" not in target:
        if not Path(target).exists():
            raise BadDefinition(f"{target} is neither a URL nor a file nor a folder")
        found += manifest.look(Path(target), wanted=wanted, images=folder)
    else:
        now, trust = probe.today(), probe.trusting(authorities, name=tls_name)
        found += probe.server(target, now=now, trust=trust)
        found += probe.metrics("server", metrics, wanted=wanted.get(name), digest=digest) if metrics else ()
        for url in keys or ():
            found += probe.keys(url, now=now, trust=trust)
    found += probe.worker(worker, wanted=wanted.get(name), digest=digest) if worker else ()
    if valkey:
        of = wanted.get(f"{name}-valkey")
        found += probe.valkey(valkey, service="valkey", password=os.environ.get(VALKEY_PASSWORD), wanted=of)
    _tell(found)


def _tell(found: list[Finding]) -> None:
    for one in found:
        typer.echo(f"{SIGNS[one.good]:<5}{one.service:<20}{one.what:<12} {one.told}")
    bad = sum(one.good is False for one in found)
    if bad:
        raise Refusal(f"{bad} of {len(found)} findings are bad")
