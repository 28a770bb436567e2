"""The people one request is about, each read from the directory once while nothing waits in between.

What was read is forgotten when a password was checked (which may wait its turn for seconds) and when a stage has
written through another room: whether somebody may sign in is always asked after the proof, never before it.
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
class _Notes:
    """The subjects that this request has read, by primary key; None where there is none."""

    subjects: dict[int, Subject | None] = field(default_factory=dict)


async def subject_of(users: Users, request: Request, pk: int) -> Subject | None:
    """Return the person with groups, active or not; None when there is none of that number."""
    known = request.state.of(_Notes).subjects
    if pk not in known:
        known[pk] = await users.subject(pk)
    return known[pk]


def forget(request: Request) -> None:
    """Have everybody read again when asked for next."""
    request.state.of(_Notes).subjects = {}  # another one: what is being read now is not noted
