"""The commands about services: declared versions, reviews, and running services."""

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
    write: Annotated[
        bool, typer.Option("--write", help="Write the file; otherwise only show what would be added.")
    ] = False,
) -> None:
    """Add `parent` to attached services, as their names suggest."""
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
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 when a review is stale.")] = False,
) -> None:
    """Show when each service was last reviewed for a newer version, oldest review first."""
    from ostiary_delivery import review as reviewing  # noqa: PLC0415 - a command loads what it needs
    from ostiary_delivery import services as listed  # noqa: PLC0415

    path = repository / listed.FILE
    if not path.is_file():
        raise BadDefinition(f"{path} is not there")
    reviews = reviewing.review(listed.read(path), today=dt.datetime.now(dt.UTC).date(), days=days, path=path)
    stale_reviews = [one for one in reviews if one.stale]
    for line in reviewing.lines(stale_reviews if stale else reviews):
        typer.echo(line)
    typer.echo(f"{len(stale_reviews)} of {len(reviews)} services were not reviewed within {days} days")
    if strict and stale_reviews:
        raise Refusal("services are to be reviewed")


def services_check(  # noqa: PLR0917 - options of a command
    target: Annotated[str, typer.Argument(help="URL of the server, or a manifest: a file or a folder.")],
    repository: Repository = Path(),
    images: Annotated[Path | None, typer.Option("--images", help="Folder of built images.")] = None,
    name: Annotated[str, typer.Option("--name", help="Service whose declared version counts.")] = "ostiary",
    metrics: Annotated[str | None, typer.Option("--metrics", help="URL of the server's metrics port.")] = None,
    worker: Annotated[str | None, typer.Option("--worker", help="URL of the worker's metrics port.")] = None,
    valkey: Annotated[
        str | None, typer.Option("--valkey", help=f"host[:port]; {VALKEY_PASSWORD} is its password.")
    ] = None,
    keys: Annotated[list[str] | None, typer.Option("--keys", help="URL of a key set (JWKS).")] = None,
    authorities: Annotated[
        Path | None, typer.Option("--ca", help="Certificate authorities for https (PEM), instead of the machine's own.")
    ] = None,
    tls_name: Annotated[
        str | None, typer.Option("--tls-name", help="Name in the certificate, when the URL has another.")
    ] = None,
) -> None:
    """Check that services are live, ready and of the declared version; show the age of certificates and keys."""
    from ostiary_delivery.running import manifest, probe  # noqa: PLC0415 - a command loads what it needs
    from ostiary_delivery.running.finding import declared, declared_digest  # noqa: PLC0415

    versions = declared(repository)
    folder = images or repository / "dist" / "images"
    digest = declared_digest(repository, folder, name)
    findings: list[Finding] = []
    if "://" not in target:
        if not Path(target).exists():
            raise BadDefinition(f"{target} is neither a URL nor a file nor a folder")
        findings += manifest.inspect(Path(target), versions=versions, images=folder)
    else:
        now, trust = probe.today(), probe.load_trust(authorities, name=tls_name)
        findings += probe.server(target, now=now, trust=trust)
        findings += probe.metrics("server", metrics, version=versions.get(name), digest=digest) if metrics else ()
        for url in keys or ():
            findings += probe.keys(url, now=now, trust=trust)
    findings += probe.worker(worker, version=versions.get(name), digest=digest) if worker else ()
    if valkey:
        declared_version = versions.get(f"{name}-valkey")
        findings += probe.valkey(
            valkey, service="valkey", password=os.environ.get(VALKEY_PASSWORD), version=declared_version
        )
    _print_findings(findings)


def _print_findings(findings: list[Finding]) -> None:
    for finding in findings:
        typer.echo(f"{SIGNS[finding.passed]:<5}{finding.service:<20}{finding.check:<12} {finding.detail}")
    failed = sum(finding.passed is False for finding in findings)
    if failed:
        raise Refusal(f"{failed} of {len(findings)} findings are bad")
