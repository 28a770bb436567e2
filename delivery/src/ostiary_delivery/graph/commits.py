"""The order of a chain's commits: plan, then implement and close one leaf at a time, then finalise.

A chain has a branch of its own, and its commits begin with `C2(<chain>): ` and one of these words:

plan      cards are written; nothing but pages under docs/ changes
impl      work on one ready leaf; no card changes
close     exactly one card of the chain, a ready leaf, becomes done
finalize  the last one; nothing of the chain is open any more
"""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ostiary_delivery.errors import Refusal
from ostiary_delivery.graph import cards as reading
from ostiary_delivery.graph.cards import FOLDER
from ostiary_delivery.graph.chain import ByName, chain, is_open, problems, ready, waits_for

SUBJECT: Final = re.compile(r"C2\((?P<chain>[a-z0-9]+(?:-[a-z0-9]+)*)\): (?P<word>plan|impl|close|finalize)\b")
UNCOUNTED: Final = ("fixup! ", "squash! ", "amend! ", "Merge ", "Revert ")  # belong to other commits: not counted
AFTER: Final = {
    "": ("plan", "impl"),
    "plan": ("plan", "impl"),
    "impl": ("impl", "close"),
    "close": ("impl", "finalize"),
    "finalize": (),
}
EMPTY: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # git's name of a tree without files


@dataclass(frozen=True, slots=True)
class Step:
    """One commit of a chain."""

    chain: str
    word: str
    subject: str


def step_of(subject: str) -> Step | None:
    """Parse a commit subject; None when it belongs to no chain.

    Raises:
        Refusal: it begins with C2( and has no known word.
    """
    match = SUBJECT.match(subject)
    if match:
        return Step(match["chain"], match["word"], subject)
    if subject.startswith("C2("):
        raise Refusal(f"{subject!r} is not C2(<chain>): plan, impl, close or finalize, and what was done")
    return None


def verify_message(repository: Path, message: str, *, base: str) -> None:
    """Verify the order of the commit being made; the git hook commit-msg calls this.

    A subject equal to that of the last commit counts as its amendment.

    Raises:
        Refusal: it breaks the order; the message says what would be next.
    """
    subject = next((line for line in message.splitlines() if line.strip() and not line.startswith("#")), "").strip()
    if subject.startswith(UNCOUNTED):
        return
    new = step_of(subject)
    subjects = _subjects(repository, base)
    amends = bool(subjects) and subjects[0] == subject
    done = steps(subjects[1:] if amends else subjects)
    if new is None:
        if done:
            raise Refusal(f"this branch works on {done[-1].chain}: begin with C2({done[-1].chain}): and {_next(done)}")
        return
    if _git(repository, "symbolic-ref", "--short", "-q", "HEAD").strip() == base:
        raise Refusal(f"a chain has a branch of its own, and this is {base}")
    if done and done[-1].chain != new.chain:
        raise Refusal(f"this branch works on {done[-1].chain}, not on {new.chain}")
    if new.word not in AFTER[done[-1].word if done else ""]:
        raise Refusal(f"{new.word} cannot follow {done[-1].word if done else 'nothing'}: next is {_next(done)}")
    before = ("HEAD~1" if amends else "HEAD") if _git(repository, "rev-parse", "-q", "--verify", "HEAD") else EMPTY
    if before == "HEAD~1" and not _git(repository, "rev-parse", "-q", "--verify", before):
        before = EMPTY
    _verify_contents(repository, new, before=before)


def steps(subjects: Sequence[str]) -> list[Step]:
    """Return a branch's steps, oldest first, from its subjects, newest first. Other subjects are skipped."""
    matches = (SUBJECT.match(one) for one in reversed(subjects))
    return [Step(one["chain"], one["word"], one.string) for one in matches if one]


def position(repository: Path, *, base: str, cards: ByName) -> Iterator[str]:
    """Yield the state of a branch's chain and its next step."""
    done = steps(_subjects(repository, base))
    if not done:
        yield f"no chain has begun since {base}; begin with C2(<goal>): plan ..."
        return
    last = done[-1]
    names = chain(cards, last.chain)
    open_cards = [name for name in names if is_open(cards, name)]
    closed = sum(one.word == "close" for one in done)
    yield f"chain {last.chain}: {len(done)} commits, {closed} closed, {len(open_cards)} open; last: {last.subject}"
    leaves = [name for name in ready(cards) if name in names]
    words = [word for word in AFTER[last.word] if word != "finalize" or not open_cards]
    words = [word for word in words if open_cards or word != "impl"]
    if not words:
        yield "next: merge the branch"
        return
    yield f"next: {' or '.join(f'C2({last.chain}): {word}' for word in words)}"
    if leaves:
        yield f"ready: {', '.join(leaves)}"


def _verify_contents(repository: Path, new: Step, *, before: str) -> None:
    touched = [one for one in _git(repository, "diff", "--cached", "--name-only", "-z", before).split("\0") if one]
    now = _cards(repository, _git(repository, "write-tree").strip())
    if new.chain not in now:
        raise Refusal(f"there is no card {FOLDER}/{new.chain}.md")
    if new.word == "plan":
        code = [one for one in touched if not one.startswith("docs/")]
        if code:
            raise Refusal(f"plan changes pages under docs/ alone, not {code[0]}")
        faults = list(problems(now, folder=FOLDER))
        if faults:
            raise Refusal("\n".join(faults))
    if new.word == "impl":
        written = [one for one in touched if one.startswith(f"{FOLDER}/")]
        if written:
            raise Refusal(f"impl changes no card, and {written[0]} is one: close does")
    if new.word == "close":
        _require_one_leaf(new.chain, before=_cards(repository, before), now=now)
    open_cards = [name for name in chain(now, new.chain) if is_open(now, name)]
    if new.word == "finalize" and open_cards:
        raise Refusal(f"{new.chain} cannot be finalised, these are open: {', '.join(open_cards)}")


def _require_one_leaf(goal: str, *, before: ByName, now: ByName) -> None:
    closed = [name for name in now if not is_open(now, name) and name in before and is_open(before, name)]
    if len(closed) != 1:
        names = ", ".join(closed) or "none"
        raise Refusal(f"close makes exactly one card done, and here are {len(closed)}: {names}")
    (name,) = closed
    if name not in chain(before, goal):
        raise Refusal(f"{name} does not belong to {goal}")
    waiting = waits_for(before, name)
    if waiting:
        raise Refusal(f"{name} is no ready leaf, it waits for {', '.join(waiting)}")


def _next(done: Sequence[Step]) -> str:
    return " or ".join(AFTER[done[-1].word if done else ""]) or "nothing, the chain is finalised"


def _subjects(repository: Path, base: str) -> list[str]:
    """Return the subjects since the base, newest first; all without such a branch."""
    if not _git(repository, "rev-parse", "-q", "--verify", "HEAD"):
        return []
    base_commit = _git(repository, "rev-parse", "-q", "--verify", f"{base}^{{commit}}")
    return _git(
        repository, "log", "--format=%s", "--no-merges", f"{base}..HEAD" if base_commit else "HEAD"
    ).splitlines()


def _cards(repository: Path, tree: str) -> ByName:
    """Return the cards of a git tree, read with one `git archive`."""
    packed = _run(repository, "archive", "--format=tar", tree, FOLDER)
    if not packed:
        return {}
    texts = {}
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            path = Path(member.name)
            stream = archive.extractfile(member) if path.parent.as_posix() == FOLDER and path.suffix == ".md" else None
            if stream is not None:
                texts[path.stem] = stream.read().decode("utf-8", errors="replace")
    return reading.parse(texts).by_name


def _git(repository: Path, *words: str) -> str:
    """Return the output of git; empty when it fails."""
    return _run(repository, *words).decode("utf-8", errors="replace")


def _run(repository: Path, *words: str) -> bytes:
    try:
        process = subprocess.run(["git", "-C", str(repository), *words], capture_output=True, check=False)  # noqa: S603, S607 - git with fixed words
    except FileNotFoundError as error:
        raise Refusal("git is not installed") from error
    return process.stdout if process.returncode == 0 else b""
