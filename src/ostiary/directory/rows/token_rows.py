"""The mapping of tokens for the workspace: rows to values, changes to statements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from ostiary.directory.case_key import case_key
from ostiary.directory.resources import TokenKind
from ostiary.directory.tokens import COLUMNS, LIFETIME, SHOWN_AGAIN, Token, insert, open_key, seal_key, token_of
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.store.database import Batch, Conflict, Guard, Statement, Value
from ostiary.store.hashing import token_hash
from ostiary.store.workspace.changes import Change, StoredObject

KIND: Final = TokenKind.KIND
_OF_T: Final = ", ".join(f"t.{name.strip()} AS {name.strip()}" for name in COLUMNS.split(","))


def condition(name: str, value: object) -> tuple[str, Value] | None:
    """Return the SQL condition of a look-up, or None if the workspace has to compare."""
    if name in {"pk", "identifier", "managed", "intent"} and isinstance(value, str):
        return f"t.{name} = ?", value
    if name == "user" and isinstance(value, int):
        return "t.user_pk = ?", value
    if name == "user__username" and isinstance(value, str):
        return "t.user_pk IN (SELECT pk FROM directory_user WHERE username_key = ?)", case_key(value)
    return None


def load(where: str, values: Sequence[Value], sealer: Sealer) -> Batch[list[StoredObject]]:
    """Return the tokens of a condition, in order of key; as a batch."""
    rows = yield Statement(f"SELECT {_OF_T} FROM directory_token AS t{where} ORDER BY t.pk", values)
    return [StoredObject(KIND, token.pk, _values(token, sealer)) for token in map(token_of, rows)]


def writes(change: Change, sealer: Sealer, *, now: int) -> Iterator[Statement]:
    """Yield the statements for a change. A new token already has its key (see `DirectoryBackend.prepare`)."""
    pk, before, after = cast("str", change.pk), change.before, change.after
    if before is not None and before.get("intent") == "app_password":
        yield _new_stamp(cast("int", before["user"]))
    if after is None:
        yield Statement(
            "DELETE FROM directory_token WHERE pk = ?",
            (pk,),
            guard=Guard(lambda: Conflict(f"{pk} was deleted meanwhile")),
        )
    elif before is None:
        yield insert(_token(pk, after, sealer, now=now))
    else:
        yield _update(pk, after, sealer, now=now)


def _new_stamp(user: int) -> Statement:
    """Invalidate pending authentications with this app password.

    `last_updated` stays the same, so that no other change of the user conflicts.
    """
    return Statement("UPDATE directory_user SET security_stamp = security_stamp + 1 WHERE pk = ?", (user,))


def _values(token: Token, sealer: Sealer) -> dict[str, object]:
    return {
        "identifier": token.identifier,
        "user": token.user,
        "managed": token.managed,
        "intent": token.intent,
        "description": token.description,
        "expires": token.expires,
        "expiring": token.expiring,
        "key": open_key(sealer, token),
    }


def _token(pk: str, after: Mapping[str, object], sealer: Sealer, *, now: int) -> Token:
    key = cast("Secret", after["key"])
    return Token(
        pk=pk,
        identifier=cast("str", after["identifier"]),
        intent=cast("str", after["intent"]),
        user=cast("int", after["user"]),
        description=cast("str", after["description"]),
        managed=cast("str | None", after["managed"]),
        expiring=bool(after["expiring"]),
        expires=_expires(after, now),
        key_hash=token_hash(key.reveal()),
        key_sealed=seal_key(sealer, pk, key) if after["intent"] in SHOWN_AGAIN else None,
    )


def _update(pk: str, after: Mapping[str, object], sealer: Sealer, *, now: int) -> Statement:
    columns: dict[str, Value] = {
        "identifier": cast("str", after["identifier"]),
        "intent": cast("str", after["intent"]),
        "user_pk": cast("int", after["user"]),
        "description": cast("str", after["description"]),
        "managed": cast("str | None", after["managed"]),
        "expiring": int(bool(after["expiring"])),
        "expires": _expires(after, now),
    }
    key = after.get("key")
    if isinstance(key, Secret):
        columns["key_hash"] = token_hash(key.reveal())
        columns["key_sealed"] = seal_key(sealer, pk, key) if after["intent"] in SHOWN_AGAIN else None
    casts = {"managed": "CAST(? AS TEXT)", "expires": "CAST(? AS BIGINT)", "key_sealed": "CAST(? AS TEXT)"}
    assignments = ", ".join(f"{name} = {casts.get(name, '?')}" for name in columns)
    return Statement(
        f"UPDATE directory_token SET {assignments} WHERE pk = ?",
        (*columns.values(), pk),
        guard=Guard(lambda: Conflict(f"token {pk} was deleted meanwhile")),
    )


def _expires(after: Mapping[str, object], now: int) -> int | None:
    if not after["expiring"]:
        return None
    expires = after.get("expires")
    return expires if isinstance(expires, int) else now + LIFETIME
