"""Errors as one clear line."""

from __future__ import annotations

from ostiary.directory.errors import DirectoryError
from ostiary.keys.errors import KeysError
from ostiary.mail.errors import MailError
from ostiary.resource import InvalidResource
from ostiary.seal.envelope import SealError, WrongKey
from ostiary.settings import SettingsError
from ostiary.store.database import StoreError


def one_line(error: Exception) -> str:
    """Return the message for the operator. An unexpected error says how to see its traceback."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, WrongKey):
        return f"OSTIARY_SECRET_KEY: the database was written under another secret key ({text})"
    if isinstance(
        error, SettingsError | StoreError | SealError | DirectoryError | KeysError | MailError | InvalidResource
    ):
        return text
    if isinstance(error, OSError):
        return f"{error.strerror or text}: {error.filename}" if error.filename else text
    return f"unexpected error, a defect to report: {type(error).__name__}: {text} (--debug shows where)"
