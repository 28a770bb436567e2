"""Which access token was made of which other one (RFC 7523 2.1): what is made of a token ends with it.

Only federated tokens have a row here, so that everybody else's way costs nothing more.
"""

from __future__ import annotations

from ostiary.grants.access import revoke_access
from ostiary.grants.errors import GrantGone
from ostiary.store.database import Batch, Guard, Statement
from ostiary.store.sweeping import bite


def descend(token_hash: bytes, *, source: bytes) -> Batch[None]:
    """Store that a token, inserted next, was made of `source`. Raises GrantGone when that one was taken back.

    The row of the source is locked first: whoever takes it back either comes before and is noticed, or sees this row.
    """
    yield Statement("UPDATE access_token SET expires = expires WHERE hash = ?", (source,), Guard(GrantGone))
    yield Statement("INSERT INTO access_descent (token, source) VALUES (?, ?)", (token_hash, source))


def take_back(token_hash: bytes, *, provider: int) -> Batch[None]:
    """Take back one token of that provider, whatever was made of it, and of that in turn."""
    gone = yield revoke_access(token_hash, provider=provider)
    # guard: A18 what is made of a token ends with it
    if gone.count:
        yield Statement(
            "DELETE FROM access_token WHERE hash IN (WITH RECURSIVE reach (token) AS ("
            " SELECT token FROM access_descent WHERE source = ?"
            " UNION SELECT d.token FROM access_descent AS d JOIN reach ON d.source = reach.token"
            ") SELECT token FROM reach)",
            (token_hash,),
        )


def sweep() -> Statement:
    """Return the statement that forgets the descent of tokens that are gone."""
    return bite(
        "access_descent", "token", "NOT EXISTS (SELECT 1 FROM access_token a WHERE a.hash = access_descent.token)"
    )
