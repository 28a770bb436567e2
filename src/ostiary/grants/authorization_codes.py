"""Authorization codes (RFC 6749 4.1.2): single use, bound to client, redirect URI and code challenge.

Only a matching request consumes a code. A request of another client, or with another redirect URI or verifier, neither
consumes it nor revokes its tokens: otherwise anybody who has seen the code could do both. Wrong verifiers are counted,
and the code is consumed after `MAX_GUESSES`, so that a weak verifier cannot be guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from ostiary.grants.counters import hit
from ostiary.grants.family import Authorization, insert_family, load_authorization
from ostiary.record import dataclass
from ostiary.store.database import Batch, Statement
from ostiary.store.single_use import Consumed, Fresh, Purpose, Unknown, consume, issue, restore

MAX_GUESSES: Final = 10
"""How many wrong verifiers consume a code."""

_GUESS_WINDOW: Final = 3_600_000_000  # microseconds: guesses at a code are counted for an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """An authorization code: its authorization, redirect URI and code challenge."""

    authorization: Authorization
    redirect_uri: str
    challenge: str | None
    challenge_method: str | None

    def body(self) -> dict[str, object]:
        """Return the code as plain JSON for storage."""
        item = self.authorization
        return {
            **item.body(),
            "family": item.family,
            "provider": item.provider,
            "user": item.user,
            "session": None if item.session is None else item.session.hex(),
            "offline": item.offline,
            "redirect_uri": self.redirect_uri,
            "challenge": self.challenge,
            "challenge_method": self.challenge_method,
        }


def _load(body: Mapping[str, object]) -> Code:
    data = cast("Mapping[str, Any]", body)
    return Code(
        authorization=load_authorization(
            body,
            family=data["family"],
            provider=data["provider"],
            user=data["user"],
            session=None if data["session"] is None else bytes.fromhex(data["session"]),
            offline=data["offline"],
        ),
        redirect_uri=data["redirect_uri"],
        challenge=data["challenge"],
        challenge_method=data["challenge_method"],
    )


CODE: Final[Purpose[Code]] = Purpose("oauth2.code", _load)


def insert_code(code_hash: bytes, code: Code, *, expires: int) -> Statement:
    """Return the statement that stores a code. The caller inserts its family. `expires` is in microseconds UTC."""
    return issue(CODE, code_hash, code.body(), expires=expires, family=code.authorization.family)


def issue_code(code_hash: bytes, code: Code, *, now: int, expires: int) -> Iterable[Statement]:
    """Yield the statements that insert a family and its code. Times are in microseconds UTC."""
    yield insert_family(code.authorization, now=now, expires=expires)
    yield insert_code(code_hash, code, expires=expires)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The error of a request that does not match its code.

    `guess`: the verifier was wrong. `spent`: it was the last guess, and the code is consumed.
    """

    error: Exception
    guess: bool = False
    spent: bool = False


def use_code(
    code_hash: bytes, *, mismatch: Callable[[Code], Mismatch | None], now: int
) -> Batch[Consumed[Code] | Mismatch]:
    """Consume a code, unless `mismatch` rejects the request. A rejected request only counts a wrong verifier.

    A second matching use returns Replayed, until the expiry of the code.
    """
    result = yield from consume(CODE, code_hash, now=now, tombstone=True)
    if isinstance(result, Unknown) or result.body is None:
        return result
    rejected = mismatch(result.body)
    # guard: A09 only the authenticated client can trigger a replay
    if rejected is None:
        return result
    if isinstance(result, Fresh):
        # guard: A08 wrong verifiers are counted and limited
        if (
            rejected.guess
            and (yield from hit(f"verifier:{code_hash.hex()}", window=_GUESS_WINDOW, now=now)) >= MAX_GUESSES
        ):
            return Mismatch(rejected.error, guess=True, spent=True)
        # guard: A09 a mismatched request does not use up the code
        yield restore(CODE, code_hash)
    return rejected
