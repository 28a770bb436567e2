"""The users of one request, each read from the directory once.

The cache is cleared after a password check, which may wait for seconds, and after a stage has written through another
room. So whether a user is active is always read after the proof.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.directory.users import Users
    from ostiary.web.request import Request


@dataclass(slots=True)
class _Subjects:
    """The users that this request has read, by primary key; None if there is none."""

    subjects: dict[int, Subject | None] = field(default_factory=dict)


async def subject_of(users: Users, request: Request, pk: int) -> Subject | None:
    """Return the user with groups, active or not; None if there is none with that key."""
    known = request.state.of(_Subjects).subjects
    if pk not in known:
        known[pk] = await users.subject(pk)
    return known[pk]


def forget(request: Request) -> None:
    """Clear the cache of this request."""
    request.state.of(_Subjects).subjects = {}  # another one: what is being read now is not noted
