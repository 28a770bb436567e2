"""The commands for signing keys."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from ostiary.cli.accounts import AUTHOR, with_core

if TYPE_CHECKING:
    from ostiary.app.core import Core

keys = typer.Typer(help="Change the keys that sign tokens.", no_args_is_help=True)


@keys.command("rotate")
def rotate(
    provider_or_keypair: Annotated[
        str, typer.Argument(help="Name of a provider, or of its signing key pair.", show_default=False)
    ],
    algorithm: Annotated[
        str, typer.Option(help="RS256, RS384, RS512, PS256, ES256, ES384, ES512 or EdDSA; by default as before.")
    ] = "",
    wait: Annotated[
        int, typer.Option(help="Seconds for which the new key is published before it signs.", min=0, max=86400)
    ] = 60,
) -> None:
    """Rotate the signing key of all providers that use it. The old key stays published, so that its tokens verify.

    Blueprints that name the old pair would set it back when they are applied, so change them too.
    """

    async def work(core: Core, now: int) -> None:
        from ostiary.app.core import clock  # noqa: PLC0415 - a command loads what it needs
        from ostiary.providers.oauth2.tokens.rotation import parse_algorithm, publish, switch  # noqa: PLC0415

        rotation = await publish(
            core.editor, provider_or_keypair, algorithm=parse_algorithm(algorithm), author=AUTHOR, now=now
        )
        typer.echo(f"{rotation.new_name} is published; it signs in {wait} seconds")
        await asyncio.sleep(wait)
        for provider in await switch(core.editor, rotation, author=AUTHOR, now=clock()):
            typer.echo(f"{provider} signs with {rotation.new_name}")
        typer.echo(f"{rotation.old_name} stays published until ostiary keys retire")

    with_core(work)


@keys.command("retire")
def retire() -> None:
    """Stop publishing the earlier signing keys whose last token has expired. The pairs themselves stay."""

    async def work(core: Core, now: int) -> None:
        from ostiary.providers.oauth2.tokens.rotation import retire as retire_keys  # noqa: PLC0415 - as above

        retired = await retire_keys(core.editor, author=AUTHOR, now=now)
        for item in retired:
            typer.echo(f"{item.provider} no longer publishes {item.pair}")
        if not retired:
            typer.echo("nothing to retire")

    with_core(work)
