"""The commands about manifests: render, pin, secrets init."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ostiary_delivery.errors import BadDefinition, Refusal
from ostiary_delivery.manifests.values import Form

Repository = Annotated[Path, typer.Option("--repository", "-C", help="Folder that holds deploy/ and containers/.")]
Images = Annotated[Path | None, typer.Option("--images", help="Folder of built images; dist/images when not given.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="CONTAINER=v<version>-<commit>; may be repeated.")]
Overlay = Annotated[str, typer.Argument(help="Name of an overlay, or its folder.")]

secrets = typer.Typer(help="The secrets that manifests need.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(render)
    app.command()(pin)
    secrets.command("init")(init)
    app.add_typer(secrets, name="secrets")


@secrets.callback()
def options() -> None:
    """Commands follow."""


def render(  # noqa: PLR0917 - options of a command
    overlay: Overlay,
    repository: Repository = Path(),
    output: Annotated[Path | None, typer.Option("--output", help="Write one file for each object here.")] = None,
    images: Images = None,
    tag: Tags = None,
    secrets: Annotated[
        Path | None,
        typer.Option(
            "--secrets",
            help="Secrets as kubectl prints them (- for standard input): pods get a checksum of the Secrets they read.",
        ),
    ] = None,
) -> None:
    """Render an overlay with tag and digest of the built images; needs kubectl, and no cluster."""
    from ostiary_delivery.manifests import keys, rolling  # noqa: PLC0415 - a command loads what it needs
    from ostiary_delivery.manifests import overlay as overlays  # noqa: PLC0415
    from ostiary_delivery.manifests import render as rendering  # noqa: PLC0415
    from ostiary_delivery.manifests.images import find_own_images  # noqa: PLC0415

    own_images = find_own_images(repository, images=images or repository / "dist" / "images", tags=_pairs(tag))
    objects = overlays.objects(overlays.find(repository, overlay))
    missing = keys.missing_keys(objects)
    if missing:
        raise Refusal("\n".join(missing))
    for line in rendering.with_images(objects, own_images):
        typer.echo(line, err=True)
    if secrets is not None:
        rolling.add_checksums(objects, rolling.read_secrets(_text(secrets)))
    rolling.name_jobs(objects)
    if output is None:
        typer.echo(rendering.as_text(objects), nl=False)
        return
    typer.echo(f"{len(rendering.save(output, objects))} objects in {output}", err=True)


def pin(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names of overlays; all when none is given.", show_default=False)
    ] = None,
    repository: Repository = Path(),
    images: Images = None,
    tag: Tags = None,
) -> None:
    """Write tag and digest of the built images into overlays, for deployment from git."""
    from ostiary_delivery.manifests import overlay as overlays  # noqa: PLC0415 - a command loads what it needs
    from ostiary_delivery.manifests import pin as pinning  # noqa: PLC0415
    from ostiary_delivery.manifests.images import find_own_images  # noqa: PLC0415

    own_images = find_own_images(repository, images=images or repository / "dist" / "images", tags=_pairs(tag))
    changes = [
        line
        for name in names or overlays.names(repository)
        for line in pinning.pin(overlays.find(repository, name), own_images)
    ]
    for line in changes or ["nothing to write"]:
        typer.echo(line)


def init(
    overlay: Overlay,
    repository: Repository = Path(),
    form: Annotated[Form, typer.Option("--format", help="How to write it.")] = Form.JSON,
    output: Annotated[
        Path | None, typer.Option("--output", help="New file outside of git, readable by its owner only.")
    ] = None,
    preset: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE; may be repeated.")] = None,
) -> None:
    """Generate the secrets that an overlay needs, and print them for a password manager."""
    from ostiary_delivery.manifests import keys, secret_files, values  # noqa: PLC0415 - a command loads what it needs
    from ostiary_delivery.manifests import overlay as overlays  # noqa: PLC0415

    if output is None:
        secret_files.require_outside_work_tree(_standard_output())
    requirements = keys.required_secrets(overlays.objects(overlays.find(repository, overlay)))
    text = values.write(form, values.make(requirements, preset=_pairs(preset)), requirements)
    if output is None:
        if form is Form.KUBERNETES:
            typer.echo(f"new values, {values.CREATE_ONCE}", err=True)
        typer.echo(text, nl=False)
        return
    secret_files.save(output, text)
    typer.echo(
        f"{output}: {len(requirements.names())} values, for your password manager; delete the file afterwards", err=True
    )


def _pairs(options: list[str] | None) -> dict[str, str]:
    pairs = {}
    for option in options or ():
        name, sign, value = option.partition("=")
        if not (name and sign and value):
            raise BadDefinition(f"{name or 'an option'} needs a name and a value: NAME=VALUE")
        pairs[name] = value
    return pairs


def _text(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadDefinition(f"{path} cannot be read: {error}") from error


def _standard_output() -> int:
    try:
        return sys.stdout.fileno()
    except (OSError, ValueError):
        return os.open(os.devnull, os.O_RDONLY)
