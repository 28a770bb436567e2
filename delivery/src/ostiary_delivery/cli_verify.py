"""The command `verify`: rebuilds an image and compares it with the published one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ostiary_delivery import definition, settings
from ostiary_delivery.cache import Cache
from ostiary_delivery.errors import BadDefinition, Refusal
from ostiary_delivery.progress import choose

if TYPE_CHECKING:  # a command loads what it needs
    from ostiary_delivery.verifying.subject import Subject

SIGNS: Final = {True: "holds", False: "BROKEN", None: "?"}
Repository = Annotated[Path, typer.Option("--repository", "-C", help="The checkout that the image is built from.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verify)


def verify(  # noqa: PLR0917 - options of a command
    image: Annotated[str, typer.Argument(help="host[:port]/path:tag, with @digest if known; or a container's name.")],
    repository: Repository = Path(),
    key: Annotated[Path | None, typer.Option("--key", help="Public key that must have signed it.")] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="The container, where the path does not end in it.")
    ] = None,
    images: Annotated[Path | None, typer.Option("--images", help="Folder of built images.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Reuse cached layers.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Rebuild an image from its lock and compare digest, signature, bill of materials and provenance."""
    from ostiary_delivery import build  # noqa: PLC0415 - a command loads what it needs
    from ostiary_delivery.verifying import signatures  # noqa: PLC0415
    from ostiary_delivery.verifying.verification import verify as look  # noqa: PLC0415

    public = signatures.load(key) if key else None
    subject = _subject(image, repository=repository, images=images or repository / "dist" / "images")
    container = definition.read(repository, name or subject.name)
    environment = settings.load(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        at = build.BuildContext(
            repository=repository.resolve(),
            settings=environment,
            cache=_cache(environment, None if quick else scratch / "cache"),
            progress=choose(quiet=quiet),
        )
        rows = []
        for row in look(container, subject, at=at, key=public, scratch=scratch / "image"):
            typer.echo(f"{SIGNS[row.holds]:<8}{row.check:<12}{row.detail}")
            rows.append(row)
    typer.echo(f"{subject.where} is {subject.digest}")
    broken = [row.check for row in rows if row.holds is False]
    if broken:
        raise Refusal(f"{', '.join(broken)}: not as promised")


def _subject(image: str, *, repository: Path, images: Path) -> Subject:
    from ostiary_delivery.verifying import subject  # noqa: PLC0415 - a command loads what it needs

    if image in definition.names(repository):
        return subject.from_folder(images / image, image)
    if "/" not in image:
        known = ", ".join(definition.names(repository)) or "none"
        raise BadDefinition(f"{image} is neither a place in a registry nor a container; known: {known}")
    return subject.from_registry(image)


def _cache(environment: settings.Settings, fresh: Path | None) -> Cache:
    """Return the cache, or a new one at `fresh` that reuses its inputs and none of its layers."""
    if fresh is None:
        return Cache(environment.cache, inputs=environment.inputs)
    return Cache(fresh, inputs=(environment.cache, *environment.inputs))
