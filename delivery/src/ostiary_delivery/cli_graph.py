"""The commands that look at documents: mikado, commit-order, docs check."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ostiary_delivery.errors import BadDefinition, Refusal

if TYPE_CHECKING:  # a command loads what it needs
    from ostiary_delivery.graph.chain import ByName

Repository = Annotated[Path, typer.Option("--repository", "-C", help="Folder that holds docs/ and containers/.")]
Base = Annotated[str, typer.Option("--base", help="The branch that chains are merged into.")]

docs = typer.Typer(help="The pages of the repository.", no_args_is_help=True)


class Form(StrEnum):
    """How a graph is drawn."""

    TREE = "tree"
    MERMAID = "mermaid"
    SVG = "svg"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(mikado)
    app.command("commit-order")(commit_order)
    app.add_typer(docs, name="docs")


def mikado(  # noqa: PLR0917 - options of a command
    card: Annotated[str | None, typer.Argument(help="Name of a card; all goals when none is given.")] = None,
    repository: Repository = Path(),
    everything: Annotated[bool, typer.Option("--all", help="Show what is done, too.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Say where this branch's chain stands.")] = False,
    form: Annotated[Form, typer.Option("--format", help="How to draw it.")] = Form.TREE,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write a file; its ending .svg or .mmd chooses the form.")
    ] = None,
    base: Base = "main",
) -> None:
    """Show cards as a graph of prerequisites: goals, ready leaves, missing cards, cycles."""
    from ostiary_delivery.graph import cards as reading  # noqa: PLC0415 - a command loads what it needs
    from ostiary_delivery.graph import chain  # noqa: PLC0415

    found = reading.read(repository).by_name
    if card is not None and card not in found:
        raise BadDefinition(f"there is no card {reading.FOLDER}/{card}.md")
    if resume:
        from ostiary_delivery.graph.commits import position  # noqa: PLC0415

        for line in position(repository, base=base, cards=found):
            typer.echo(line)
        return
    roots = [card] if card else chain.goals(found, everything=everything)
    form = {".svg": Form.SVG, ".mmd": Form.MERMAID}.get(output.suffix, form) if output else form
    text = _drawn(found, roots, everything=everything, form=form)
    if output:
        output.write_text(text, encoding="utf-8")
    else:
        typer.echo(text, nl=False)
    shown = {one for root in roots for one in chain.chain(found, root)}
    within = {name: one for name, one in found.items() if name in shown} if card else found
    wrong = list(chain.complaints(found, folder=reading.FOLDER))
    wrong = [line for line in wrong if line.partition(".md:")[0].rpartition("/")[2] in within]
    if wrong:
        raise Refusal("\n".join(wrong))


def _drawn(found: ByName, roots: Sequence[str], *, everything: bool, form: Form) -> str:
    from ostiary_delivery.graph import chain, draw  # noqa: PLC0415 - a command loads what it needs

    names = list(dict.fromkeys(one for root in roots for one in chain.chain(found, root)))
    shown = [name for name in names if everything or name in roots or chain.is_open(found, name)]
    if form is Form.SVG:
        return draw.svg(found, shown)
    if form is Form.MERMAID:
        return draw.mermaid(found, shown)
    if not roots:
        return f"nothing is open, {len(found)} cards are done; --all shows them\n"
    leaves = [name for name in chain.ready(found) if name in names]
    last = f"ready: {', '.join(leaves) or 'nothing'}"
    return "\n".join([*draw.tree(found, roots, everything=everything), last]) + "\n"


def commit_order(
    message: Annotated[Path, typer.Argument(help="File of the message, as git gives it to the hook commit-msg.")],
    repository: Repository = Path(),
    base: Base = "main",
) -> None:
    """Refuse a commit that breaks its chain's order: plan, implement and close leaf by leaf, finalize."""
    from ostiary_delivery.graph.commits import check_message  # noqa: PLC0415 - a command loads what it needs

    check_message(repository, message.read_text(encoding="utf-8"), base=base)


@docs.command("check")
def check_pages(repository: Repository = Path()) -> None:
    """Check links, also [[card]], front matter, requirements, and that every page can be reached."""
    from ostiary_delivery.graph.pages import check  # noqa: PLC0415 - a command loads what it needs

    wrong = check(repository)
    for line in wrong:
        typer.echo(line, err=True)
    if wrong:
        raise Refusal(f"{len(wrong)} mistakes in pages")
    typer.echo("all pages are in order")
