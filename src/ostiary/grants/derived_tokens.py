"""Derived access tokens (RFC 7523 2.1): a token issued for another token is revoked with it.

Only derived tokens have a row, so that all others cost nothing extra.
"""

from __future__ import annotations

from ostiary.grants.access_tokens import revoke_access
from ostiary.grants.errors import GrantGone
from ostiary.store.database import Batch, Guard, Statement
from ostiary.store.sweeping import bite


def insert_derivation(token_hash: bytes, *, source: bytes) -> Batch[None]:
    """Record that a token was issued for `source`. The token is inserted next. Raises GrantGone if `source` is revoked.

    The source's row is locked first, so that a revocation is either detected here or finds this row.
    """
    yield Statement("UPDATE access_token SET expires = expires WHERE hash = ?", (source,), Guard(GrantGone))
    yield Statement("INSERT INTO access_descent (token, source) VALUES (?, ?)", (token_hash, source))


def revoke_with_derived(token_hash: bytes, *, provider: int) -> Batch[bool]:
    """Revoke a token of that provider, and recursively every token derived from it. Returns whether it existed."""
    revoked = yield revoke_access(token_hash, provider=provider)
    # guard: A18 derived tokens end with their original
    if revoked.count:
        yield Statement(
            "DELETE FROM access_token WHERE hash IN (WITH RECURSIVE reach (token) AS ("
            " SELECT token FROM access_descent WHERE source = ?"
            " UNION SELECT d.token FROM access_descent AS d JOIN reach ON d.source = reach.token"
            ") SELECT token FROM reach)",
            (token_hash,),
        )
    return revoked.count > 0


def sweep() -> Statement:
    """Return the statement that deletes the derivations of tokens that no longer exist."""
    return bite(
        "access_descent", "token", "NOT EXISTS (SELECT 1 FROM access_token a WHERE a.hash = access_descent.token)"
    )
