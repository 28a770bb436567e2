"""A secret is not shown by accident."""

from __future__ import annotations

import copy
import pickle

import pytest

from ostiary.seal import Secret

SECRET = Secret("hunter2")


def test_it_prints_as_stars() -> None:
    for text in (
        str(SECRET),
        repr(SECRET),
        f"{SECRET}",
        f"{SECRET:>20}",
        f"{SECRET}",
        str([SECRET]),
        str({"a": SECRET}),
    ):
        assert "hunter2" not in text
        assert "********" in text


def test_it_compares_with_secrets_only() -> None:
    assert Secret("hunter2") == SECRET
    assert Secret("other") != SECRET
    assert SECRET != "hunter2"
    assert SECRET.matches("hunter2")
    assert not SECRET.matches("\ud800")
    assert len({SECRET, Secret("hunter2")}) == 1
    assert SECRET
    assert not Secret("")


def test_copies_and_pickles() -> None:
    assert copy.copy(SECRET) is SECRET
    assert copy.deepcopy([SECRET])[0] is SECRET
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(SECRET)
    assert SECRET.reveal() == "hunter2"
