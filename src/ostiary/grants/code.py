"""Authorization codes (RFC 6749 4.1.2): single use, bound to client, address and proof key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from ostiary.grants.family import Authorization, insert_family, load_authorization
from ostiary.record import dataclass
from ostiary.store.database import Batch, Statement
from ostiary.store.single_use import Consumed, Purpose, consume, issue


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


def consume_code(code_hash: bytes, *, now: int) -> Batch[Consumed[Code]]:
    """Use a code. A second use answers Replayed until the code would have expired."""
    return (yield from consume(CODE, code_hash, now=now, tombstone=True))
