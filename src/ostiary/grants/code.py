"""Authorization codes (RFC 6749 4.1.2): single use, bound to client, address and proof key.

A code is used by a request that fits it. Another client, another address or another proof key neither uses it up nor
ends what came of it: both would be in the hands of whoever has seen the code. Wrong verifiers are counted, though:
after `MOST_GUESSES` the code is used up, so that a weak one cannot be found by trying.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from ostiary.grants.counters import hit
from ostiary.grants.family import Authorization, insert_family, load_authorization
from ostiary.record import dataclass
from ostiary.store.database import Batch, Statement
from ostiary.store.single_use import Consumed, Fresh, Purpose, Unknown, consume, issue, put_back

MOST_GUESSES: Final = 10
"""Wrong verifiers after which a code is used up."""

_REMEMBERED: Final = 3_600_000_000  # microseconds: guesses of one code are counted for an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What a code stands for."""

    authorization: Authorization
    redirect_uri: str
    challenge: str | None
    challenge_method: str | None

    def body(self) -> dict[str, object]:
        """Return plain JSON for storage."""
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
    """Return the statement that stores a code; its family is begun by the caller. Times in microseconds UTC."""
    return issue(CODE, code_hash, code.body(), expires=expires, family=code.authorization.family)


def issue_code(code_hash: bytes, code: Code, *, now: int, expires: int) -> Iterable[Statement]:
    """Yield the statements that begin a family and store its code. Times in microseconds UTC."""
    yield insert_family(code.authorization, now=now, expires=expires)
    yield insert_code(code_hash, code, expires=expires)


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a request does not fit the code it brought. A `guess` is a wrong verifier; `spent`: it was the last one."""

    error: Exception
    guess: bool = False
    spent: bool = False


def use_code(code_hash: bytes, *, unfit: Callable[[Code], Unfit | None], now: int) -> Batch[Consumed[Code] | Unfit]:
    """Use a code, if `unfit` finds nothing wrong with the request. Otherwise everything stays as it was.

    A second use that fits answers Replayed until the code would have expired.
    """
    found = yield from consume(CODE, code_hash, now=now, tombstone=True)
    if isinstance(found, Unknown) or found.body is None:
        return found
    wrong = unfit(found.body)
    # guard: A09 a replay is one by the client, with its proof
    if wrong is None:
        return found
    if isinstance(found, Fresh):
        # guard: A08 wrong verifiers are counted
        if wrong.guess and (yield from hit(f"verifier:{code_hash.hex()}", window=_REMEMBERED, now=now)) >= MOST_GUESSES:
            return Unfit(wrong.error, guess=True, spent=True)
        # guard: A09 a request that does not fit uses nothing up
        yield put_back(CODE, code_hash)
    return wrong
