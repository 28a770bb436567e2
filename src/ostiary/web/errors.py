"""HTTP errors. They can be raised anywhere; `asgi.Site` translates them into a page or JSON.

HttpError                a response with a status, a code for programs and a sentence for people
|- BadRequest            400: the request is malformed
|- Forbidden             403
|- NotFound              404
|- NoAccess              200: the user has no access to an application
'- TooManyRequests       429, with Retry-After
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class HttpError(Exception):
    """An error response with an HTTP status. `message` is public, so it must not help an attacker.

    For the page: `account` is the username of the signed-in user, `application` the name of the application, and
    `another` our path for a sign-in as another user. "": the page does not show it.

    For the audit log, and never sent to the requester: `trace` is the policy trace of a refusal, as JSON data. `reason`
    has more details than `message`. `user` is {"pk", "username", "email"} of the account that the request named, signed
    in or not. `recorded`: the audit log has the error already.
    """

    account: str = ""
    application: str = ""
    another: str = ""
    trace: Mapping[str, object] | None = None
    reason: str = ""
    user: Mapping[str, object] | None = None
    recorded: bool = False

    def __init__(self, status: int, code: str, message: str = "", *, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.headers = tuple(headers)
        super().__init__(f"{status} {code}: {message}")


class BadRequest(HttpError):
    """400: the request is malformed, and a retry is useless."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(400, code, message)


class Forbidden(HttpError):
    """403: the request is refused."""

    def __init__(self, code: str = "permission_denied", message: str = "") -> None:
        super().__init__(403, code, message)


class NotFound(HttpError):
    """404: the resource does not exist, or the requester may not learn that it does."""

    def __init__(self, code: str = "not_found", message: str = "") -> None:
        super().__init__(404, code, message)


class NoAccess(HttpError):
    """The signed-in user has no access to an application. The status is 200, as in authentik.

    The page shows `application` and `account`, and links to `another`. The arguments are attributes of `HttpError`.
    """

    def __init__(
        self,
        message: str,
        *,
        application: str,
        account: str,
        another: str = "",
        trace: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(200, "access_denied", message)
        self.application = application
        self.account = account
        self.another = another
        self.trace = trace


class TooManyRequests(HttpError):
    """429: the client may retry after `retry_after` seconds."""

    def __init__(self, *, retry_after: int, code: str = "throttled", message: str = "") -> None:
        super().__init__(429, code, message, headers=(("retry-after", str(max(1, retry_after))),))
