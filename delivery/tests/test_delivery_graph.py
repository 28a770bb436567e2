"""Cards as a graph, the pages around them, and the order of a chain's commits (with a real git)."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ostiary_delivery.errors import Refusal
from ostiary_delivery.graph import cards as reading
from ostiary_delivery.graph import chain, commits, draw, layout, pages
from ostiary_delivery.graph.cards import Card


def graph(text: str) -> dict[str, Card]:
    """`a: b c` requires; a name with `!` is done."""
    found = {}
    for part in text.split(","):
        name, _, needs = part.strip().partition(":")
        status = "done" if name.endswith("!") else "active"
        name = name.rstrip("!")
        found[name] = Card(name=name, title=name.upper(), requires=tuple(needs.split()), status=status)
    return found


def page(name: str, requires: str = "", status: str = "active") -> str:
    matter = f"title: {name}\nmodified: 2026-01-31\nrequires: [{requires}]\nstatus: {status}\ntags: []"
    return f"---\n{matter}\n---\n\n# {name}\n"


def put(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_goals_chains_and_leaves() -> None:
    cards = graph("sail: ship crew, ship: wood rope, rope:, wood!:, crew: ship, old!:")
    assert chain.goals(cards) == ["sail"]
    assert chain.goals(cards, everything=True) == ["old", "sail"]
    assert chain.chain(cards, "sail") == ["sail", "ship", "crew", "wood", "rope"]
    assert chain.ready(cards) == ["rope"]
    assert chain.ready(graph("a: b c, b: c, c!:")) == ["b"]


def test_a_missing_card_is_named_and_blocks() -> None:
    cards = graph("a: b, c:")
    assert list(chain.problems(cards, folder="d")) == ["d/a.md:1: there is no card b"]
    assert chain.ready(cards) == ["c"]


def test_cycles_are_named_and_still_shown() -> None:
    cards = graph("goal: x, x: y, y: z, z: x, p: q, q: p, self: self")
    assert chain.cycles(cards) == [("p", "q", "p"), ("self", "self"), ("x", "y", "z", "x")]
    assert chain.goals(cards) == ["goal", "p", "self"]
    assert "      └─ ↺ x: a cycle" in "\n".join(draw.tree(cards, ["goal"], everything=False))


def test_the_tree_shows_what_is_open_once() -> None:
    cards = graph("a: b c gone, b: d, c: d b, d:, b2!:")
    assert list(draw.tree(cards, ["a"], everything=False)) == [
        "○ a - A",
        "├─ ○ b - B",
        "│  └─ ● d - D [ready]",
        "├─ ○ c - C",
        "│  ├─ ● d - D [ready] (see above)",
        "│  └─ ○ b - B (see above)",
        "└─ ? gone [there is no such card]",
    ]


@given(
    st.dictionaries(
        st.sampled_from("abcdef"), st.tuples(st.lists(st.sampled_from("abcdefg"), unique=True), st.booleans())
    )
)
def test_every_graph_can_be_drawn_and_every_card_is_below_a_goal(found: dict[str, tuple[list[str], bool]]) -> None:
    cards = {
        name: Card(name=name, title=f'<{name}&">', requires=tuple(needs), status="done" if done else "active")
        for name, (needs, done) in found.items()
    }
    roots = chain.goals(cards, everything=True)
    names = list(dict.fromkeys(one for root in roots for one in chain.chain(cards, root)))
    assert set(cards) <= set(names)
    ET.fromstring(draw.svg(cards, names))  # noqa: S314 - our own
    text = draw.mermaid(cards, names)
    assert text.count("-->") == sum(len(card.requires) for card in cards.values())
    drawn = "\n".join(draw.tree(cards, roots, everything=True))
    assert all(f" {name} - " in drawn for name in cards)
    for circle in chain.cycles(cards):
        assert all(right in cards[left].requires for left, right in pairwise(circle))


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefgh"), unique=True)),
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(20, 400)),
)
def test_boxes_do_not_overlap_and_no_line_hides_behind_one(needs: dict[str, list[str]], widths: dict[str, int]) -> None:
    names = sorted(needs)
    links = [(name, one) for name in names for one in needs[name] if one in needs and one < name]  # no cycle
    placed = layout.layout(names, links, {name: float(widths.get(name, 50)) for name in names})
    boxes = list(placed.boxes.items())
    for at, (_, one) in enumerate(boxes):
        assert one.left >= 0
        assert one.left + one.width <= placed.width
        assert one.top >= 0
        assert one.top + layout.BOX <= placed.height
        for _, other in boxes[at + 1 :]:
            beside = one.left + one.width <= other.left or other.left + other.width <= one.left
            assert beside or one.top + layout.BOX <= other.top or other.top + layout.BOX <= one.top
    for (name, required), line in zip(links, placed.lines, strict=True):
        assert line[0][0] == placed.boxes[required].left + placed.boxes[required].width
        assert line[-1][0] == placed.boxes[name].left
        assert [x for x, _ in line] == sorted(x for x, _ in line)
        for _, box in boxes:
            for (x, y), (to_x, _) in pairwise(line[1:-1]):
                inside = x < box.left + box.width and box.left < to_x and box.top <= y <= box.top + layout.BOX
                assert not inside or x == to_x


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("status: active", "status: maybe", ":5: `status` is none of active, done"),
        ("tags: []", "tags: one", ":6: `tags` is no list of names"),
        ("tags: []\n", "", ":1: its front matter has no `tags`"),
        ("tags: []", "tags: []\nrequire: []", ":7: `require` is unknown"),
        ("modified: 2026-01-31", "modified: soon", ":3: `modified` is no date like 2026-01-31"),
        ("requires: []", "requires: [b, b]", ":4: `requires` names something twice"),
        ("# a\n", "# b\n", ":2: the title is not the page's heading"),
        ("title: a", "title: [", ":2: its front matter is not YAML"),
        ("---\n\n", "\n\n", ":1: its front matter has no end"),
    ],
)
def test_front_matter_is_read_with_its_lines(old: str, new: str, said: str) -> None:
    text = page("a")
    assert reading.parse({"a": text}).problems == ()
    wrong = reading.parse({"a": text.replace(old, new)}).problems
    assert len(wrong) == 1
    assert wrong[0].startswith(f"docs/how-to/a.md{said}")


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    reading.parse({"a": text, "b": f"---\n{text}\n---\n"})
    list(pages._targets(text))


def test_pages_are_checked(tmp_path: Path) -> None:
    text = (
        "# Top\n[a](docs/how-to/a.md#a) [x](docs/x.md) `[c](no)` [web](https://x.y) [[b]] [[nope]]\n```\n[c](no)\n```\n"
    )
    put(tmp_path, "README.md", text + "[bad](docs/how-to/a.md#none) [out](../../../../../etc/hostname)\n")
    put(tmp_path, "docs/how-to/a.md", page("a", "b, c"))
    put(tmp_path, "docs/how-to/b.md", page("b"))
    put(tmp_path, "docs/how-to/c-b.md", page("c-b"))
    put(tmp_path, "docs/how-to/lost.md", page("lost", status="done"))
    put(tmp_path, "docs/notes/1.md", "# One\n")
    put(tmp_path, "CHANGES.md", "[notes](docs/notes/) [[c-b]]\n")
    put(tmp_path, "docs/lonely.md", "[top](../README.md#top)\n")
    assert pages.check(tmp_path) == [
        "docs/how-to/a.md:4: there is no card c",
        "README.md:2: docs/x.md leads nowhere",
        "README.md:2: there is no card nope",
        "README.md:6: docs/how-to/a.md has no heading #none",
        "README.md:6: ../../../../../etc/hostname leads "
        + ("out of the repository" if (tmp_path / "../../../../../etc/hostname").resolve().exists() else "nowhere"),
        "docs/how-to/lost.md:1: no page leads here",
        "docs/lonely.md:1: no page leads here",
    ]


def test_an_open_card_is_a_plan_and_needs_no_link_until_it_is_done(tmp_path: Path) -> None:
    put(tmp_path, "README.md", "# Top\n")
    put(tmp_path, "docs/how-to/goal.md", page("goal", "leaf"))
    put(tmp_path, "docs/how-to/leaf.md", page("leaf"))
    assert pages.check(tmp_path) == []
    put(tmp_path, "docs/how-to/leaf.md", page("leaf", status="done"))
    assert pages.check(tmp_path) == []
    put(tmp_path, "docs/how-to/goal.md", page("goal", "leaf", status="done"))
    assert pages.check(tmp_path) == [f"docs/how-to/{name}.md:1: no page leads here" for name in ("goal", "leaf")]


class Branch:
    """A repository on a branch of its own, with the hook in place."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@example.org",
        }
        self.git("init", "-q", "-b", "main")
        put(root, "docs/how-to/base.md", page("base", status="done"))
        self.git("add", "-A")
        self.git("commit", "-qm", "begin")
        hook = root / ".git/hooks/commit-msg"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(
            f"#!/bin/sh\nexec {sys.executable} -c 'import sys; from pathlib import Path;"
            "from ostiary_delivery.graph.commits import verify_message as c; from ostiary_delivery.errors import Refusal\n"
            'try: c(Path(), Path(sys.argv[1]).read_text(), base="main")\n'
            'except Refusal as e: sys.exit(str(e))\' "$1"\n'
        )
        hook.chmod(0o755)

    def git(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *words], cwd=self.root, env=self.environment, capture_output=True, text=True)

    def commit(self, subject: str, *more: str, **files: str) -> str:
        """Return why it was refused, or nothing."""
        for name, text in files.items():
            put(self.root, f"docs/how-to/{name}.md" if text.startswith("---") else name, text)
        self.git("add", "-A")
        done = self.git("commit", "-q", "--allow-empty", *more, "-m", subject)
        if done.returncode:
            self.git("reset", "-q", "--hard")
        return done.stderr.strip()


def test_a_chain_keeps_its_order(tmp_path: Path) -> None:
    at = Branch(tmp_path)
    assert "branch of its own" in at.commit("C2(goal): plan it")
    at.git("checkout", "-qb", "work")
    assert at.commit("something else") == ""
    assert "plan, impl, close or finalize" in at.commit("C2(goal): think")
    assert "there is no card docs/how-to/goal.md" in at.commit("C2(goal): plan it")
    assert "there is no card leaf" in at.commit("C2(goal): plan it", goal=page("goal", "leaf"))
    assert "not code" in at.commit("C2(goal): plan it", goal=page("goal"), code="1")
    assert at.commit("C2(goal): plan it", goal=page("goal", "leaf"), leaf=page("leaf", "base")) == ""
    assert "begin with C2(goal): and plan or impl" in at.commit("anything", code="1")
    assert "close cannot follow plan" in at.commit("C2(goal): close leaf", leaf=page("leaf", "base", "done"))
    assert "not on other" in at.commit("C2(other): impl")
    assert "changes no card" in at.commit("C2(goal): impl", leaf=page("leaf", "base", "done"))
    assert at.commit("C2(goal): impl the leaf", code="1") == ""
    assert at.commit("C2(goal): impl the leaf", "--amend", code="2") == ""
    assert at.commit("fixup! C2(goal): impl the leaf", code="3") == ""
    assert "is no ready leaf, it waits for leaf" in at.commit("C2(goal): close", goal=page("goal", "leaf", "done"))
    assert "exactly one card done, and here are 0" in at.commit("C2(goal): close leaf")
    assert at.commit("C2(goal): close leaf", leaf=page("leaf", "base", "done")) == ""
    assert at.commit("C2(goal): close leaf", "--amend", code="4") == ""
    assert "these are open: goal" in at.commit("C2(goal): finalize")
    assert "close cannot follow close" in at.commit("C2(goal): close goal", goal=page("goal", "leaf", "done"))
    told = list(commits.position(tmp_path, base="main", cards=reading.read(tmp_path).by_name))
    assert told == [
        "chain goal: 3 commits, 1 closed, 1 open; last: C2(goal): close leaf",
        "next: C2(goal): impl",
        "ready: goal",
    ]
    assert at.commit("C2(goal): impl the goal", code="5") == ""
    assert at.commit("C2(goal): close goal", goal=page("goal", "leaf", "done")) == ""
    assert at.commit("C2(goal): finalize") == ""
    assert "finalised" in at.commit("C2(goal): impl more", code="6")
    told = list(commits.position(tmp_path, base="main", cards=reading.read(tmp_path).by_name))
    assert told[-1] == "next: merge the branch"


def test_a_repository_without_a_commit_has_no_chain(tmp_path: Path) -> None:
    commits.verify_message(tmp_path, "# comment\n\nhello\n", base="main")
    assert list(commits.position(tmp_path, base="main", cards={})) == [
        "no chain has begun since main; begin with C2(<goal>): plan ..."
    ]
    with pytest.raises(Refusal, match="cannot follow nothing"):
        commits.verify_message(tmp_path, "C2(a): close b", base="main")
