"""Errors that have an answer: raised anywhere inside, translated into a page or JSON once, by `asgi.Site`.

HttpError                an answer with a status, a code for programs and a sentence for people
|- BadRequest            400: what was sent cannot be understood
|- Forbidden             403
|- NotFound              404
|- NoAccess              200: a person has no access to an application
'- TooManyRequests       429, with Retry-After
"""

from __future__ import annotations

from collections.abc import Sequence


class HttpError(Exception):
    """Stop here and answer `status`. `message` is public: it must not tell what an attacker wants to know."""

    def __init__(self, status: int, code: str, message: str = "", *, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.headers = tuple(headers)
        super().__init__(f"{status} {code}: {message}")


class BadRequest(HttpError):
    """400: what was sent cannot be understood, and sending it again will not help."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(400, code, message)


class Forbidden(HttpError):
    """403: understood, and refused."""

    def __init__(self, code: str = "permission_denied", message: str = "") -> None:
        super().__init__(403, code, message)


class NotFound(HttpError):
    """404: nothing here, or nothing this person may know of."""

    def __init__(self, code: str = "not_found", message: str = "") -> None:
        super().__init__(404, code, message)


class NoAccess(HttpError):
    """200, as authentik answers it: a person who is signed in has no access to an application.

    The page names both, and leads to `another`, a path of ours where somebody else may sign in ("" without one).
    """

    def __init__(self, message: str, *, application: str, account: str, another: str = "") -> None:
        super().__init__(200, "access_denied", message)
        self.application = application
        self.account = account
        self.another = another


class TooManyRequests(HttpError):
    """429: the same again after `retry_after` seconds."""

    def __init__(self, *, retry_after: int, code: str = "throttled", message: str = "") -> None:
        super().__init__(429, code, message, headers=(("retry-after", str(max(1, retry_after))),))
