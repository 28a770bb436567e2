"""The command `ostiary-delivery`: reads arguments and settings, calls what does the work, prints. No logic."""

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
    """Run one command and return its exit code; a refusal is told on standard error."""
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
        list[str] | None, typer.Option("--update", help="A package or source package that may move.")
    ] = None,
    update_all: Annotated[bool, typer.Option("--update-all", help="Everything may move.")] = False,
    quiet: Quiet = False,
) -> None:
    """Choose every input and write container.lock. What is locked stays unless it may move."""
    found = settings.load(os.environ)
    for name in chosen(repository, containers):
        container = definition.read(repository, name)
        old = lockfile.load(container.folder) if (container.folder / lockfile.FILE).exists() else None
        at = locking.Locking(
            repository=repository.resolve(),
            settings=found,
            cache=Cache(found.cache, inputs=found.inputs),
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


def chosen(repository: Path, containers: list[str] | None) -> list[str]:
    """Return the given names, or those of all containers.

    Raises:
        BadDefinition: there is none.
    """
    found = containers or definition.names(repository)
    if not found:
        raise BadDefinition(f"{repository.resolve()} has no containers/*/{definition.FILE}")
    return found


@app.command()
def build(  # noqa: PLR0917 - options of a command
    containers: Names = None,
    repository: Repository = Path(),
    only: Annotated[
        str | None, typer.Option("--only", help="Build the layer of this package alone; nothing is written.")
    ] = None,
    assembled: Annotated[
        bool, typer.Option("--assembled", help="Build the whole image, which is the default too.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder for the images; dist/images when not given.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Build images from their locks into folders of the OCI layout."""
    if only and assembled:
        raise BadDefinition("--only and --assembled exclude each other")
    found = settings.load(os.environ)
    at = building.Building(
        repository=repository.resolve(),
        settings=found,
        cache=Cache(found.cache, inputs=found.inputs),
        progress=choose(quiet=quiet),
    )
    for name in chosen(repository, containers):
        container = definition.read(repository, name)
        if only:
            part = building.build_part(container, only, at=at)
            typer.echo(f"{name}: {part.layer.title}: {part.layer.size} bytes, {part.layer.digest}")
            continue
        built = building.build(container, at=at)
        tag = git.tag_of(repository, container.version)
        folder = (output or repository / "dist" / "images") / name
        oci.save(folder, built.image, blobs=built.blobs, tag=tag)
        typer.echo(
            f"{name}: {len(built.parts)} layers, {built.image.size} bytes, {tag or 'no tag'}, {built.image.digest}"
        )


@app.command()
def check(repository: Repository = Path(), images: Images = None) -> None:
    """Compare the five places that say a version; also known as container-version-check."""
    from ostiary_delivery.check import check as compare  # noqa: PLC0415 - asked for on every commit: loads what it needs

    found = settings.load(os.environ)
    folder = (images or repository / "dist" / "images").resolve()
    report = compare(repository.resolve(), images=folder, cache=Cache(found.cache))
    for hint in report.hints:
        typer.echo(f"hint: {hint}")
    for line in report.wrong:
        typer.echo(line, err=True)
    if report.wrong:
        raise Refusal(f"{len(report.wrong)} disagreements about versions")
    typer.echo("all places say the same versions")


@app.command()
def push(  # noqa: PLR0917 - options of a command
    container: Annotated[str, typer.Argument(help="Name of the container.")],
    place: Annotated[str, typer.Argument(help="host[:port]/path, without a tag.")],
    repository: Repository = Path(),
    tag: Annotated[str | None, typer.Option("--tag", help="v<version>-<commit>; the commit's when not given.")] = None,
    images: Images = None,
    quiet: Quiet = False,
) -> None:
    """Send a built image to a registry; a tag that names another image is never moved."""
    from ostiary_delivery import registry  # noqa: PLC0415 - a command loads what it needs

    layout = oci.open_layout((images or repository / "dist" / "images") / container)
    version = definition.read(repository, container).version
    name = tag or layout.tag
    if not name:
        raise Refusal("something is not committed, so no commit says what this image is: commit, build, push")
    if git.check_tag(name)["version"] != version.replace("+", "_"):
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
    """Give an image of a branch its tag of the merged commit, when both commits build the same image."""
    from ostiary_delivery import registry  # noqa: PLC0415 - a command loads what it needs

    layout = oci.open_layout((images or repository / "dist" / "images") / container)
    name = tag or layout.tag or ""
    git.check_tag(name)
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
    """Build, check, push and, with a key, sign: container-build-and-release."""
    build([container], repository=repository, quiet=quiet)
    check(repository=repository)
    push(container, place, repository=repository, quiet=quiet)
    if key:
        sign(container, place, key=key, repository=repository)


@app.command()
def sign(
    container: Annotated[str, typer.Argument(help="Name of the container.")],
    place: Annotated[str, typer.Argument(help="host[:port]/path that it was pushed to.")],
    key: Annotated[Path, typer.Option("--key", help="File of the private key; DELIVERY_KEY_PASSWORD opens it.")],
    repository: Repository = Path(),
    images: Images = None,
) -> None:
    """Sign a pushed image and attest its bill of materials and its provenance, as cosign verifies them."""
    from ostiary_delivery.attest import attest  # noqa: PLC0415 - a command loads what it needs
    from ostiary_delivery.sign import Signer  # noqa: PLC0415

    signer = Signer.load(key, password=os.environ.get("DELIVERY_KEY_PASSWORD"))
    layout = oci.open_layout((images or repository / "dist" / "images") / container)
    found = definition.read(repository, container)
    attest(found, layout=layout, place=place, signer=signer, commit=git.commit_of(repository))
    typer.echo(f"{place}@{layout.image.digest}: signed, with bill of materials and provenance")


@app.command("new-key")
def new_key(
    file: Annotated[Path, typer.Argument(help="Where the private key goes; the public one goes beside it.")],
) -> None:
    """Make a key for signatures; DELIVERY_KEY_PASSWORD seals it."""
    from ostiary_delivery import sign as signing  # noqa: PLC0415 - a command loads what it needs

    password = os.environ.get("DELIVERY_KEY_PASSWORD")
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as made:
        made.write(signing.new_key(password=password))
    public = file.with_suffix(".pub")
    public.write_bytes(signing.Signer.load(file, password=password).public())
    typer.echo(f"{file} (private), {public} (public)")


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(help="Folder of an image.")],
    after: Annotated[Path, typer.Argument(help="Folder of another.")],
) -> None:
    """Say which layers and packages differ, and how many bytes a push of the second sends."""
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

    found = definition.read(repository, container)
    layout = oci.open_layout((images or repository / "dist" / "images") / container)
    typer.echo(bill(found, lock=lockfile.load(found.folder), layout=layout), nl=False)


@app.command("list")
def list_containers(repository: Repository = Path(), images: Images = None) -> None:
    """Show the containers with their versions, parents and built images."""
    for name in chosen(repository, None):
        found = definition.read(repository, name)
        folder = (images or repository / "dist" / "images") / name
        built = oci.open_layout(folder).image.digest if (folder / "index.json").is_file() else "not built"
        typer.echo(f"{name}\t{found.version}\t{found.parent or '-'}\t{built}")


@app.command()
def doctor(
    registry: Annotated[
        str | None, typer.Option("--registry", help="Ask this registry, too: host[:port]/path.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nobody over the network.")] = False,
) -> None:
    """Show what this machine can do: runtimes, verifiers, deployment, archives, the index, a registry."""
    from ostiary_delivery.doctor import SIGNS, rows  # noqa: PLC0415 - a command loads what it needs

    for row in rows(settings.load(os.environ), network=not offline, registry=registry):
        typer.echo(f"{SIGNS[row.there]:<4}{row.name:<17}{row.told}")
