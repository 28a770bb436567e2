"""The validation of usernames and addresses is the same for every way to set them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.directory.accounts import Accounts
from ostiary.directory.errors import BadName
from ostiary.directory.names import name_fault, require_user_names
from ostiary.directory.passwords.pool import Passwords
from ostiary.directory.resources import USER
from ostiary.directory.users import Users
from ostiary.resource import InvalidResource
from ostiary.store.database import Database
from ostiary.store.workspace.editor import Editor, Workspace

NOW = 1_700_000_000_000_000
BAD = ["trail ", " lead", "tab\t", "line\n", "\u00a0nbsp", "x\u3000", "", "y" * 151, "nul\0nul", "esc\x1b[2J"]


@pytest.mark.parametrize("name", BAD)
async def test_names_that_cannot_sign_in_are_refused(
    database: Database, users: Users, passwords: Passwords, editor: Editor, name: str
) -> None:
    with pytest.raises(BadName):
        await Accounts(database, users, passwords).create(name, now=NOW)

    async def create(workspace: Workspace) -> None:
        await workspace.create(USER, {"username": name, "name": ""})

    with pytest.raises(InvalidResource) as caught:
        await editor.edit(create, author="test", message="", now=NOW)
    assert [problem.field for problem in caught.value.problems] == ["username"]
    assert not await database.fetch("SELECT 1 FROM directory_user")


@pytest.mark.parametrize("email", ["x", "a b@example.org", "a@b c", "a@", "y" * 260 + "@b.c"])
def test_malformed_addresses_are_refused(email: str) -> None:
    with pytest.raises(BadName):
        require_user_names("ada", email)


@given(st.text())
def test_uniqueness_and_sign_in_use_the_same_key(name: str) -> None:
    if name_fault(name) is None:
        assert name.strip() == name
        assert 1 <= len(name) <= 150
