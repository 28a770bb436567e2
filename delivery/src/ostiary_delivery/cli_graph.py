"""The commands about documents: mikado, commit-order, docs check."""

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
Base = Annotated[str, typer.Option("--base", help="Branch that chains are merged into.")]

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
    everything: Annotated[bool, typer.Option("--all", help="Show done cards too.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Show the state of this branch's chain.")] = False,
    form: Annotated[Form, typer.Option("--format", help="How to draw it.")] = Form.TREE,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write a file; its ending .svg or .mmd chooses the form.")
    ] = None,
    base: Base = "main",
) -> None:
    """Show cards as a graph of prerequisites: goals, ready leaves, missing cards, cycles."""
    from ostiary_delivery.graph import cards as reading  # noqa: PLC0415 - a command loads what it needs
    from ostiary_delivery.graph import chain  # noqa: PLC0415

    cards = reading.read(repository).by_name
    if card is not None and card not in cards:
        raise BadDefinition(f"there is no card {reading.FOLDER}/{card}.md")
    if resume:
        from ostiary_delivery.graph.commits import position  # noqa: PLC0415

        for line in position(repository, base=base, cards=cards):
            typer.echo(line)
        return
    roots = [card] if card else chain.goals(cards, everything=everything)
    form = {".svg": Form.SVG, ".mmd": Form.MERMAID}.get(output.suffix, form) if output else form
    text = _draw(cards, roots, everything=everything, form=form)
    if output:
        output.write_text(text, encoding="utf-8")
    else:
        typer.echo(text, nl=False)
    names = {one for root in roots for one in chain.chain(cards, root)}
    selected = {name: one for name, one in cards.items() if name in names} if card else cards
    problems = list(chain.problems(cards, folder=reading.FOLDER))
    problems = [line for line in problems if line.partition(".md:")[0].rpartition("/")[2] in selected]
    if problems:
        raise Refusal("\n".join(problems))


def _draw(cards: ByName, roots: Sequence[str], *, everything: bool, form: Form) -> str:
    from ostiary_delivery.graph import chain, draw  # noqa: PLC0415 - a command loads what it needs

    names = list(dict.fromkeys(one for root in roots for one in chain.chain(cards, root)))
    shown = [name for name in names if everything or name in roots or chain.is_open(cards, name)]
    if form is Form.SVG:
        return draw.svg(cards, shown)
    if form is Form.MERMAID:
        return draw.mermaid(cards, shown)
    if not roots:
        return f"nothing is open, {len(cards)} cards are done; --all shows them\n"
    leaves = [name for name in chain.ready(cards) if name in names]
    last = f"ready: {', '.join(leaves) or 'nothing'}"
    return "\n".join([*draw.tree(cards, roots, everything=everything), last]) + "\n"


def commit_order(
    message: Annotated[
        Path, typer.Argument(help="File of the commit message, as git passes it to the hook commit-msg.")
    ],
    repository: Repository = Path(),
    base: Base = "main",
) -> None:
    """Refuse a commit that breaks the order of its chain: plan, then impl and close for each leaf, then finalize."""
    from ostiary_delivery.graph.commits import verify_message  # noqa: PLC0415 - a command loads what it needs

    verify_message(repository, message.read_text(encoding="utf-8"), base=base)


@docs.command("check")
def check_pages(repository: Repository = Path()) -> None:
    """Check links and [[card]] references, front matter, requirements, and that each page can be reached."""
    from ostiary_delivery.graph.pages import check  # noqa: PLC0415 - a command loads what it needs

    problems = check(repository)
    for line in problems:
        typer.echo(line, err=True)
    if problems:
        raise Refusal(f"{len(problems)} mistakes in pages")
    typer.echo("all pages are in order")
