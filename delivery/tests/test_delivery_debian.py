from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ostiary_delivery.debian import control, package, version
from ostiary_delivery.errors import Refusal
from small_archive import make_deb

ORDERED = [
    "0",
    "1.0~~",
    "1.0~~a",
    "1.0~",
    "1.0",
    "1.0-1~bpo1",
    "1.0-1",
    "1.0-1+b1",
    "1.0a",
    "1.0+dfsg",
    "1.2",
    "1.10",
    "1:0.1",
]
VERSIONS = st.from_regex(r"\A([0-9]:)?[0-9][0-9a-z.+~]{0,6}(-[0-9a-z.+~]{1,4})?\Z")


def test_versions_have_the_order_of_debian_policy() -> None:
    for place, one in enumerate(ORDERED):
        for other_place, other in enumerate(ORDERED):
            found = version.compare(one, other)
            assert (found > 0) - (found < 0) == (place > other_place) - (place < other_place), (one, other)


@given(VERSIONS, VERSIONS)
def test_the_order_of_versions_is_one_order(one: str, other: str) -> None:
    assert version.compare(one, one) == 0
    found, back = version.compare(one, other), version.compare(other, one)
    assert (found > 0) == (back < 0)
    assert (found == 0) == (back == 0)


@pytest.mark.parametrize(
    ("debian", "plain"),
    [
        ("8.1.1+dfsg1-3+deb13u2", "8.1.1"),
        ("1:1.3.dfsg-2", "1.3.dfsg"),
        ("3.13.5-2+deb13u5", "3.13.5"),
        ("2026f", "2026f"),
    ],
)
def test_the_upstream_version_is_what_its_authors_said(debian: str, plain: str) -> None:
    assert version.upstream(debian) == plain


def test_relations_are_choices_with_bounds() -> None:
    found = control.relations("libc6 (>= 2.38), media-types | mime-support (<< 3), python3:any")
    assert [[str(one) for one in choice] for choice in found] == [
        ["libc6 (>= 2.38)"],
        ["media-types", "mime-support (<< 3)"],
        ["python3"],
    ]
    assert found[0][0].accepts("2.41-1")
    assert not found[0][0].accepts("2.37")


def test_a_package_gives_its_files_under_usr() -> None:
    found = package.read(
        make_deb(
            "one", files={"lib/one.so": b"1", "bin/run": b"2"}, modes={"bin/run": 0o775}, scripts=["postinst", "prerm"]
        ),
        name="one.deb",
    )
    assert [(one.path, oct(one.mode)) for one in found.entries] == [
        ("usr/lib/one.so", "0o644"),
        ("usr/bin/run", "0o755"),
    ]
    assert found.scripts == ("postinst",)
    assert found.control["Version"] == "1.0-1"


def test_a_path_that_leads_out_is_refused() -> None:
    with pytest.raises(Refusal, match=r"one.deb.*leads out"):
        package.read(make_deb("one", files={"../../etc/passwd": b"x"}), name="one.deb")


@given(st.binary(max_size=200))
def test_anything_else_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(Refusal, match=r"one.deb"):
        package.read(data, name="one.deb")
