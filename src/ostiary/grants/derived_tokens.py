"""Derived access tokens (RFC 7523 2.1): a token issued for another token ends with it.

Only federated tokens have a row here, so that other tokens cost nothing more.
"""

from __future__ import annotations

from ostiary.grants.access_tokens import revoke_access
from ostiary.grants.errors import GrantGone
from ostiary.store.database import Batch, Guard, Statement
from ostiary.store.sweeping import bite


def insert_derivation(token_hash: bytes, *, source: bytes) -> Batch[None]:
    """Record that a token, inserted next, was issued for `source`. Raises GrantGone when `source` was revoked.

    The row of the source is locked first: a revocation either came before and is noticed, or sees this row.
    """
    yield Statement("UPDATE access_token SET expires = expires WHERE hash = ?", (source,), Guard(GrantGone))
    yield Statement("INSERT INTO access_descent (token, source) VALUES (?, ?)", (token_hash, source))


def revoke_with_derived(token_hash: bytes, *, provider: int) -> Batch[None]:
    """Revoke one token of that provider, and recursively every token derived from it."""
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


def sweep() -> Statement:
    """Return the statement that deletes the derivations of tokens that no longer exist."""
    return bite(
        "access_descent", "token", "NOT EXISTS (SELECT 1 FROM access_token a WHERE a.hash = access_descent.token)"
    )
