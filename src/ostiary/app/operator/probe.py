"""The health check of a container: asks the process with these settings whether it is ready."""

from __future__ import annotations

import http.client
from typing import Final

from ostiary.app.health import READY
from ostiary.settings import Address, Settings

TIMEOUT: Final = 5  # seconds
REASON_LIMIT: Final = 200  # bytes of a reason
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


def why_not_ready(settings: Settings) -> str:
    """Ask over HTTP and return the reason, "" when it is ready.

    A worker serves no pages, so without a web listener the metrics listener is asked.
    """
    page = settings.web.path.rstrip("/") + READY
    listen = settings.listen
    try:
        return _ask(listen.http, page)
    except ConnectionRefusedError:
        pass
    except (OSError, http.client.HTTPException) as error:
        return f"{listen.http} does not answer: {error}"
    try:
        return _ask(listen.metrics, READY)
    except (OSError, http.client.HTTPException) as error:
        return f"nothing answers at {listen.http}, nor at {listen.metrics}: {error}"


def _ask(address: Address, page: str) -> str:
    host = _ANY.get(address.host, address.host)
    connection = http.client.HTTPConnection(host, address.port, timeout=TIMEOUT)
    try:
        connection.request("GET", page)
        response = connection.getresponse()
        if response.status == http.client.OK:
            return ""
        reason = response.read(REASON_LIMIT).decode("ascii", "replace").strip()
        return reason if reason.isprintable() and reason else f"{address} answers {response.status}"
    finally:
        connection.close()
