"""Connections to PostgreSQL: TLS, running of batches, and translation of errors."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import asyncpg

from ostiary.store.database import (
    Batch,
    Conflict,
    Duplicate,
    Reason,
    Result,
    Statement,
    StoreError,
    Unavailable,
    Unstorable,
    Value,
    WrongStatement,
)
from ostiary.store.parameters import require_storable
from ostiary.store.postgresql.config import PostgresConfig
from ostiary.store.postgresql.dialect import Text, Translator
from ostiary.store.timeouts import LOCK_TIMEOUT, TIMEOUT

T = TypeVar("T")

CONNECT_TIMEOUT: Final = TIMEOUT  # seconds
CONNECTION_ERRORS: Final = (
    OSError,  # timeouts too
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server closed while our next command was on its way
    asyncpg.PostgresConnectionError,
)
TIMEOUT_SETTINGS: Final = (
    f"lock_timeout = {round(LOCK_TIMEOUT * 1_000)}",  # milliseconds
    f"statement_timeout = {round(TIMEOUT * 1_000)}",
)
RETRYABLE: Final = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_STALE_STATEMENT: Final = (
    asyncpg.InvalidCachedStatementError,  # a table changed after the statement was prepared
    asyncpg.InvalidSQLStatementNameError,  # the statement was deallocated
)
_REFUSED_CLASSES: Final = (
    "08",
    "25",
    "28",
    "3D",
    "53",
    "57",
    "58",
    "XX",
    "42501",
)  # connection and server, not the statement
# With these states a connection is lost: it is broken, ended by the server, or leads to a read-only server (after a
# failover behind a stable address another server accepts writes).
# guard: A77 a read-only database server counts as a lost connection
_LOST_STATES: Final = ("08", "57P", "25006", "25P02", "25P03", "25P04")
_REASONS: Final = {
    "08": Reason.UNREACHABLE,
    "25006": Reason.READ_ONLY,
    "53100": Reason.FULL,
    "53300": Reason.CONNECTIONS,
    "55P03": Reason.LOCKED,
    "57014": Reason.TIMEOUT,
    "57P": Reason.UNREACHABLE,
    "58": Reason.DISK,
}
_MEANINGS: Final[Sequence[tuple[tuple[type[Exception], ...], type[StoreError]]]] = (
    ((asyncpg.DataError, asyncpg.exceptions.DataError), Unstorable),
    ((asyncpg.UniqueViolationError,), Duplicate),
    (
        (asyncpg.ForeignKeyViolationError, asyncpg.RestrictViolationError, asyncpg.ExclusionViolationError),
        Conflict,
    ),
    (_STALE_STATEMENT, Unavailable),
)
_UNVERIFIED: Final = (
    "{where} did not prove who it is (TLS mode {mode}): {error}. Set AUTHENTIK_POSTGRESQL__SSLROOTCERT to the file of "
    "its certificate authority, or choose another mode with AUTHENTIK_POSTGRESQL__SSLMODE "
    "(or OSTIARY_POSTGRESQL__SSLROOTCERT and OSTIARY_POSTGRESQL__SSLMODE)."
)


async def connect(config: PostgresConfig, *, statements: int) -> Any:
    """Open a connection with a cache of `statements` prepared statements.

    Raises Unavailable; after a failure of TLS it names the setting.
    """
    mode = config.tls()
    where = f"PostgreSQL at {config.host}:{config.port}"
    try:
        return await asyncpg.connect(
            host=config.host,
            port=config.port,
            database=config.name,
            user=config.user,
            password=config.password.reveal(),
            ssl=_tls(config, mode),
            timeout=CONNECT_TIMEOUT,
            statement_cache_size=statements,
            max_cached_statement_lifetime=0,  # seconds; as long as the connection
        )
    except (ssl.SSLError, ConnectionError) as error:
        if mode in {"disable", "allow", "prefer"} or isinstance(error, ConnectionRefusedError | ConnectionResetError):
            raise Unavailable(f"{where} cannot be reached: {error}") from error
        raise Unavailable(_UNVERIFIED.format(where=where, mode=mode, error=error)) from error
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Unavailable(f"{where} cannot be used: {str(error) or type(error).__name__}", _reason(error)) from error


async def set_timeouts(connection: Any) -> None:
    """Set the server's timeouts for the session. Not behind a pooler."""
    await connection.execute(";".join(f"SET {setting}" for setting in TIMEOUT_SETTINGS))


async def is_direct(connection: Any) -> bool:
    """Return whether the connection leads to the server itself: the announced process ID is the one that answers.

    Behind a pooler such as PgBouncer it is not. A prepared statement may then reach another server process, so none is
    cached. The question uses the simple protocol, which prepares nothing.
    """
    status: str = await connection.execute(
        f"SELECT 1 WHERE pg_catalog.pg_backend_pid() = {int(connection.get_server_pid())}"
    )
    return status == "SELECT 1"


async def run_batch(connection: Any, factory: Callable[[], Batch[T]], translate: Translator) -> T:
    """Run one batch on a connection in a transaction. Raises the driver's errors and the guards'."""
    batch = factory()
    try:
        statement = next(batch)
        while True:
            statement = batch.send(await execute(connection, statement, translate))
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        batch.close()


async def execute(connection: Any, statement: Statement, translate: Translator) -> Result:
    """Run one statement and check its guard. Raises the driver's errors, Unstorable and what the guard raises."""
    require_storable(statement.parameters)
    try:
        result = await _run(connection, translate(statement.sql), statement.parameters)
    except asyncpg.PostgresError as error:
        error.add_note(statement.sql)  # the text only: parameters may be secret
        raise
    guard = statement.guard
    if guard is not None and result.count != guard.rows:
        raise guard.error()
    return result


def translate_error(error: Exception) -> Exception:
    """Translate an error of the driver to one of this room; other errors are returned unchanged."""
    for driver_errors, our_error in _MEANINGS:
        if isinstance(error, driver_errors):
            return our_error(_message(error))
    if isinstance(error, RETRYABLE):
        return Unavailable(_message(error), Reason.CONTENTION)
    if isinstance(error, asyncpg.PostgresError):
        if (error.sqlstate or "").startswith((*_REFUSED_CLASSES, *_REASONS)):
            return Unavailable(f"the database refuses: {_message(error)}", _reason(error))
        return WrongStatement(" in: ".join((_message(error), *getattr(error, "__notes__", ()))))
    if isinstance(error, CONNECTION_ERRORS):
        return Unavailable(f"the database does not answer: {str(error) or type(error).__name__}", _reason(error))
    return error


def is_lost(connection: Any, error: BaseException) -> bool:
    """Return whether the connection is lost after this error."""
    if connection.is_closed() or not isinstance(error, Exception):
        return True
    if isinstance(error, asyncpg.DataError):  # an InterfaceError too, but only about a parameter
        return False
    if isinstance(error, asyncpg.PostgresError):
        return isinstance(error, _STALE_STATEMENT) or (error.sqlstate or "").startswith(_LOST_STATES)
    return isinstance(error, CONNECTION_ERRORS)


async def close_connection(connection: Any) -> None:
    """Close the connection, by force when that takes too long."""
    with contextlib.suppress(*CONNECTION_ERRORS):
        await connection.close(timeout=CONNECT_TIMEOUT)


def _reason(error: Exception) -> Reason:
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return next((reason for begin, reason in _REASONS.items() if state.startswith(begin)), Reason.REFUSED)
    return Reason.TIMEOUT if isinstance(error, TimeoutError) else Reason.UNREACHABLE


def _message(error: Exception) -> str:
    """Return the message without details, which quote values of rows and parameters."""
    if isinstance(error, asyncpg.DataError):
        return str(error).partition(":")[0]  # "invalid input for query argument $2"
    return str(error.args[0]) if error.args else type(error).__name__


async def _run(connection: Any, text: Text, parameters: Sequence[Value]) -> Result:
    if text.rows:
        rows = await connection.fetch(text.sql, *parameters)
        return Result(rows, len(rows))
    status: str = await connection.execute(text.sql, *parameters)
    number = status.rpartition(" ")[2]  # "INSERT 0 1", "UPDATE 3", "CREATE TABLE"
    return Result((), int(number) if number.isdecimal() else 0)


def _tls(config: PostgresConfig, mode: str) -> ssl.SSLContext | str:
    if mode in {"disable", "allow", "prefer"}:
        return mode
    try:
        context = ssl.create_default_context(cafile=config.sslrootcert or None)
        if config.sslcert:
            context.load_cert_chain(config.sslcert, config.sslkey or None)
    except OSError as error:  # which names no file
        files = ", ".join(name for name in (config.sslrootcert, config.sslcert, config.sslkey) if name)
        raise Unavailable(f"the certificates for PostgreSQL cannot be read ({files}): {error}") from error
    context.check_hostname = mode == "verify-full"
    if mode == "require" and not config.sslrootcert:  # as libpq: with a root certificate it verifies
        context.verify_mode = ssl.CERT_NONE
    return context


async def learn_tables(connection: Any, translate: Translator, schema: str) -> None:
    """Load the table names into the translator. Raises the driver's errors."""
    rows = await connection.fetch("SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = $1", schema)
    translate.learn([row["tablename"] for row in rows])
