"""The commands about signing keys."""

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
        str, typer.Argument(help="Name of a provider, or of the pair it signs with.", show_default=False)
    ],
    algorithm: Annotated[
        str, typer.Option(help="RS256, RS384, RS512, PS256, ES256, ES384, ES512 or EdDSA; as before when not given.")
    ] = "",
    wait: Annotated[
        int, typer.Option(help="Seconds for which the new key is published before it signs.", min=0, max=86400)
    ] = 60,
) -> None:
    """Make a new signing key for all providers that use the old one, which stays published so that its tokens verify.

    Blueprints that name the old pair set it back when they are applied: change them too.
    """

    async def work(core: Core, now: int) -> None:
        from ostiary.app.core import clock  # noqa: PLC0415 - a command loads what it needs
        from ostiary.providers.oauth2.tokens.rotation import parse_algorithm, publish, switch  # noqa: PLC0415

        wanted = parse_algorithm(algorithm)
        begun = await publish(core.editor, provider_or_keypair, algorithm=wanted, author=AUTHOR, now=now)
        typer.echo(f"{begun.new_name} is published; it signs in {wait} seconds")
        await asyncio.sleep(wait)
        for provider in await switch(core.editor, begun, author=AUTHOR, now=clock()):
            typer.echo(f"{provider} signs with {begun.new_name}")
        typer.echo(f"{begun.old_name} stays published until ostiary keys retire")

    with_core(work)


@keys.command("retire")
def retire() -> None:
    """Stop publishing the earlier signing keys whose last token has expired. The pairs themselves stay."""

    async def work(core: Core, now: int) -> None:
        from ostiary.providers.oauth2.tokens.rotation import retire as retire_keys  # noqa: PLC0415 - as above

        retired = await retire_keys(core.editor, author=AUTHOR, now=now)
        for item in retired:
            typer.echo(f"{item.provider} does not publish {item.pair} any more")
        if not retired:
            typer.echo("nothing to retire")

    with_core(work)
