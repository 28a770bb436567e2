"""The command `ostiary-delivery`: parses arguments, calls the modules that do the work, prints. No logic."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from ostiary_delivery import build as building
from ostiary_delivery import (
    cli_graph,
    cli_manifests,
    cli_services,
    cli_verify,
    definition,
    git,
    lockfile,
    locking,
    oci,
    settings,
)
from ostiary_delivery.cache import Cache
from ostiary_delivery.errors import BadDefinition, Refusal
from ostiary_delivery.progress import choose

app = typer.Typer(
    name="ostiary-delivery",
    help="From locked packages to reproducible, verifiable container images, without a container engine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)

cli_graph.register(app)
cli_services.register(app)
cli_manifests.register(app)
cli_verify.register(app)

Names = Annotated[
    list[str] | None, typer.Argument(help="Names of containers; all when none is given.", show_default=False)
]
Repository = Annotated[Path, typer.Option("--repository", "-C", help="Folder that holds containers/.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]

Images = Annotated[Path | None, typer.Option("--images", help="Folder of the images; dist/images when not given.")]


def main() -> int:
    """Run one command and return its exit code; refusals go to standard error."""
    try:
        app(prog_name="ostiary-delivery", standalone_mode=False)
    except Refusal as refusal:
        sys.stderr.write(f"ostiary-delivery: {refusal}\n")
        return refusal.exit_code
    except typer.Exit as ended:
        return ended.exit_code
    except typer.Abort:
        return 130
    return 0


@app.callback()
def options() -> None:
    """Commands follow."""


@app.command()
def lock(
    containers: Names = None,
    repository: Repository = Path(),
    update: Annotated[
        list[str] | None, typer.Option("--update", help="A package or source package that may get another version.")
    ] = None,
    update_all: Annotated[bool, typer.Option("--update-all", help="Every package may get another version.")] = False,
    quiet: Quiet = False,
) -> None:
    """Resolve all inputs and write container.lock. A locked version stays unless --update allows another."""
    environment = settings.load(os.environ)
    for name in container_names(repository, containers):
        container = definition.read(repository, name)
        old = lockfile.load(container.folder) if (container.folder / lockfile.FILE).exists() else None
        at = locking.LockContext(
            repository=repository.resolve(),
            settings=environment,
            cache=Cache(environment.cache, inputs=environment.inputs),
            progress=choose(quiet=quiet),
            now=int(time.time()),
        )
        new = locking.lock(
            container,
            old=old,
            update=locking.Update(names=frozenset(update or ()), everything=update_all),
            at=at,
        )
        lockfile.save(container.folder, new)
        for line in locking.changes(old, new):
            typer.echo(f"{name}: {line}")
        typer.echo(f"{name}: {len(new.debs)} debs, {len(new.wheels)} wheels, lock {lockfile.identity(new)[:12]}")


def container_names(repository: Path, containers: list[str] | None) -> list[str]:
    """Return the given names, or those of all containers.

    Raises:
        BadDefinition: the repository has no container.
    """
    names = containers or definition.names(repository)
    if not names:
        raise BadDefinition(f"{repository.resolve()} has no containers/*/{definition.FILE}")
    return names


@app.command()
def build(  # noqa: PLR0917 - options of a command
    containers: Names = None,
    repository: Repository = Path(),
    only: Annotated[
        str | None, typer.Option("--only", help="Build only the layer of this package; write nothing.")
    ] = None,
    assembled: Annotated[bool, typer.Option("--assembled", help="Build the whole image; this is the default.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder for the images; dist/images when not given.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Build images from their locks, as OCI layout folders."""
    if only and assembled:
        raise BadDefinition("--only and --assembled exclude each other")
    environment = settings.load(os.environ)
    at = building.BuildContext(
        repository=repository.resolve(),
        settings=environment,
        cache=Cache(environment.cache, inputs=environment.inputs),
        progress=choose(quiet=quiet),
    )
    for name in container_names(repository, containers):
        container = definition.read(repository, name)
        if only:
            layer = building.build_layer(container, only, at=at)
            typer.echo(f"{name}: {layer.layer.title}: {layer.layer.size} bytes, {layer.layer.digest}")
            continue
        built = building.build(container, at=at)
        tag = git.tag_of(repository, container.version)
        folder = (output or repository / "dist" / "images") / name
        oci.save(folder, built.image, blobs=built.blobs, tag=tag)
        typer.echo(
            f"{name}: {len(built.layers)} layers, {built.image.size} bytes, {tag or 'no tag'}, {built.image.digest}"
        )


@app.command()
def check(repository: Repository = Path(), images: Images = None) -> None:
    """Compare the five places that state a version (container-version-check)."""
    from ostiary_delivery.check import check as compare  # noqa: PLC0415 - runs on every commit: loads what it needs

    environment = settings.load(os.environ)
    folder = (images or repository / "dist" / "images").resolve()
    report = compare(repository.resolve(), images=folder, cache=Cache(environment.cache))
    for hint in report.hints:
        typer.echo(f"hint: {hint}")
    for line in report.problems:
        typer.echo(line, err=True)
    if report.problems:
        raise Refusal(f"{len(report.problems)} versions disagree")
    typer.echo("all versions agree")


@app.command()
def push(  # noqa: PLR0917 - options of a command
    container: Annotated[str, typer.Argument(help="Name of the container.")],
    place: Annotated[str, typer.Argument(help="host[:port]/path, without a tag.")],
    repository: Repository = Path(),
    tag: Annotated[str | None, typer.Option("--tag", help="v<version>-<commit>; the commit's when not given.")] = None,
    images: Images = None,
    quiet: Quiet = False,
) -> None:
    """Push a built image to a registry. A tag of another image is never moved."""
    from ostiary_delivery import registry  # noqa: PLC0415 - a command loads what it needs

    layout = oci.open_layout((images or repository / "dist" / "images") / container)
    version = definition.read(repository, container).version
    name = tag or layout.tag
    if not name:
        raise Refusal("there are uncommitted changes, so no commit identifies this image: commit, build, push")
    if git.parse_tag(name)["version"] != version.replace("+", "_"):
        raise Refusal(f"{name} is not a tag of version {version}")
    with choose(quiet=quiet).step("pushing", layout.image.size, unit="bytes") as advance:
        sent = registry.Registry(registry.Place.parse(place)).push(layout, name, advance=advance)
    typer.echo(f"{place}:{name}@{layout.image.digest}: {len(sent.blobs)} blobs, {sent.total} bytes sent")


@app.command()
def promote(  # noqa: PLR0917 - options of a command
    container: Annotated[str, typer.Argument(help="Name of the container, built from the merged commit.")],
    place: Annotated[str, typer.Argument(help="host[:port]/path, without a tag.")],
    from_tag: Annotated[str, typer.Option("--from", help="The tag of the branch.")],
    tag: Annotated[str | None, typer.Option("--tag", help="The new tag; the commit's when not given.")] = None,
    repository: Repository = Path(),
    images: Images = None,
) -> None:
    """Tag the image of a branch with the merged commit, if both commits build the same image."""
    from ostiary_delivery import registry  # noqa: PLC0415 - a command loads what it needs

    layout = oci.open_layout((images or repository / "dist" / "images") / container)
    name = tag or layout.tag or ""
    git.parse_tag(name)
    at = registry.Registry(registry.Place.parse(place))
    there = at.digest(from_tag)
    if there != layout.image.digest:
        raise Refusal(
            f"{from_tag} is {there}, and this commit builds {layout.image.digest}: push and try it like any other"
        )
    sent = at.push(layout, name)
    typer.echo(f"{place}:{name}@{layout.image.digest}: {len(sent.blobs)} blobs, {sent.total} bytes sent")


@app.command()
def release(
    container: Annotated[str, typer.Argument(help="Name of the container.")],
    place: Annotated[str, typer.Argument(help="host[:port]/path, without a tag.")],
    repository: Repository = Path(),
    key: Annotated[Path | None, typer.Option("--key", help="Sign with this private key.")] = None,
    quiet: Quiet = False,
) -> None:
    """Build, check, push and, with a key, sign (container-build-and-release)."""
    build([container], repository=repository, quiet=quiet)
    check(repository=repository)
    push(container, place, repository=repository, quiet=quiet)
    if key:
        sign(container, place, key=key, repository=repository)


@app.command()
def sign(
    container: Annotated[str, typer.Argument(help="Name of the container.")],
    place: Annotated[str, typer.Argument(help="host[:port]/path that it was pushed to.")],
    key: Annotated[Path, typer.Option("--key", help="File of the private key; DELIVERY_KEY_PASSWORD decrypts it.")],
    repository: Repository = Path(),
    images: Images = None,
) -> None:
    """Sign a pushed image and attest its bill of materials and its provenance, as cosign verifies them."""
    from ostiary_delivery.attest import attest  # noqa: PLC0415 - a command loads what it needs
    from ostiary_delivery.sign import Signer  # noqa: PLC0415

    signer = Signer.load(key, password=os.environ.get("DELIVERY_KEY_PASSWORD"))
    layout = oci.open_layout((images or repository / "dist" / "images") / container)
    declared = definition.read(repository, container)
    attest(declared, layout=layout, place=place, signer=signer, commit=git.commit_of(repository))
    typer.echo(f"{place}@{layout.image.digest}: signed, with bill of materials and provenance")


@app.command("new-key")
def new_key(
    file: Annotated[Path, typer.Argument(help="File of the private key; the public key is written beside it.")],
) -> None:
    """Generate a signing key; DELIVERY_KEY_PASSWORD encrypts it."""
    from ostiary_delivery import sign as signing  # noqa: PLC0415 - a command loads what it needs

    password = os.environ.get("DELIVERY_KEY_PASSWORD")
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as private:
        private.write(signing.new_key(password=password))
    public = file.with_suffix(".pub")
    public.write_bytes(signing.Signer.load(file, password=password).public())
    typer.echo(f"{file} (private), {public} (public)")


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(help="Folder of an image.")],
    after: Annotated[Path, typer.Argument(help="Folder of another.")],
) -> None:
    """Show which layers and packages differ, and how many bytes a push of the second sends."""
    from ostiary_delivery.difference import difference  # noqa: PLC0415 - a command loads what it needs

    for line in difference(oci.open_layout(before), oci.open_layout(after)):
        typer.echo(line)


@app.command()
def sbom(
    container: Annotated[str, typer.Argument(help="Name of the container.")],
    repository: Repository = Path(),
    images: Images = None,
) -> None:
    """Print the software bill of materials (CycloneDX 1.6) of a built image."""
    from ostiary_delivery.sbom import bill  # noqa: PLC0415 - a command loads what it needs

    declared = definition.read(repository, container)
    layout = oci.open_layout((images or repository / "dist" / "images") / container)
    typer.echo(bill(declared, lock=lockfile.load(declared.folder), layout=layout), nl=False)


@app.command("list")
def list_containers(repository: Repository = Path(), images: Images = None) -> None:
    """Show the containers with their versions, parents and built images."""
    for name in container_names(repository, None):
        container = definition.read(repository, name)
        folder = (images or repository / "dist" / "images") / name
        built = oci.open_layout(folder).image.digest if (folder / "index.json").is_file() else "not built"
        typer.echo(f"{name}\t{container.version}\t{container.parent or '-'}\t{built}")


@app.command()
def doctor(
    registry: Annotated[
        str | None, typer.Option("--registry", help="Check this registry too: host[:port]/path.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Use no network.")] = False,
) -> None:
    """Show what this machine can do: runtimes, verifiers, deployment, archives, the index, a registry."""
    from ostiary_delivery.doctor import SIGNS, rows  # noqa: PLC0415 - a command loads what it needs

    for row in rows(settings.load(os.environ), network=not offline, registry=registry):
        typer.echo(f"{SIGNS[row.available]:<4}{row.name:<17}{row.detail}")
