"""Reviews of services: their age, what is stale, and who is attached to whom."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ostiary_delivery import review, services
from ostiary_delivery.cli import app
from ostiary_delivery.errors import BadDefinition
from typer.testing import CliRunner, Result

TODAY = dt.date(2026, 6, 30)
LISTED = """\
# a comment
services:
  - name: door
    type: argocd
    last-reviewed: 2026-06-29
    current-version: "v1.2.0"
    upstream-source: https://example.org/releases
  - name: door-bell
    parent: door
    last-reviewed: 2026-04-01
    current-version: 8.1
  - name: roof
    type: ansible
    last-reviewed: null
    current-version: null
    notes: nobody knows
  - name: attic
    last-reviewed: 2026-05-01
"""


def listed(tmp_path: Path, text: str = LISTED) -> tuple[list[services.Service], Path]:
    path = tmp_path / services.FILE
    path.write_text(text)
    return services.read(path), path


def test_the_longest_waiting_come_first_and_attached_ones_behind_their_parents(tmp_path: Path) -> None:
    found, path = listed(tmp_path)
    shown = review.review(found, today=TODAY, days=89, path=path)
    assert review.lines(shown) == [
        "STALE roof         -       never reviewed",
        "good  door         v1.2.0  2026-06-29, yesterday",
        "STALE   door-bell  8.1     2026-04-01, 90 days ago, attached to door",
        "good  attic        -       2026-05-01, 60 days ago",
    ]
    assert [one.stale for one in review.review(found, today=TODAY, days=90, path=path)] == [True, False, False, False]


@pytest.mark.parametrize(
    ("written", "said"),
    [("soon", r"yaml:18: last-reviewed is no date"), ("2026-07-01", r"yaml:18: last-reviewed lies in the future")],
)
def test_a_date_that_cannot_be_is_named_with_its_line(tmp_path: Path, written: str, said: str) -> None:
    found, path = listed(tmp_path, LISTED.replace("2026-05-01", written))
    with pytest.raises(BadDefinition, match=said):
        review.review(found, today=TODAY, days=90, path=path)


@given(
    st.dictionaries(
        st.sampled_from("abcdef"),
        st.tuples(st.none() | st.sampled_from("abcdefg"), st.none() | st.dates(max_value=TODAY)),
    )
)
def test_every_service_is_shown_once_whatever_it_is_attached_to(
    given_services: dict[str, tuple[str | None, dt.date | None]],
) -> None:
    found = [
        services.Service(
            name=name, version=None, parent=parent, reviewed=day.isoformat() if day else None, line=1, lines={}
        )
        for name, (parent, day) in given_services.items()
    ]
    shown = review.review(found, today=TODAY, days=10, path=Path("x"))
    assert sorted(one.service.name for one in shown) == sorted(given_services)
    assert len(review.lines(shown)) == len(found)


def test_the_command_shows_counts_and_can_fail(tmp_path: Path) -> None:
    listed(tmp_path, LISTED.replace("2026-06-29", dt.datetime.now(dt.UTC).date().isoformat()))

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["services", "review", "-C", str(tmp_path), *words])

    assert "good  door         v1.2.0" in run().stdout
    assert run().exit_code == 0
    only = run("--stale", "--days", "100000")
    assert only.stdout.splitlines()[0].startswith("STALE roof")
    assert only.stdout.splitlines()[1:] == ["1 of 4 services were not reviewed within 100000 days"]
    assert run("--strict").exit_code == 1
    (tmp_path / services.FILE).unlink()
    assert run().exit_code == 1
