"""The question of a container's health check: does the process with these settings answer that it is ready?"""

from __future__ import annotations

import http.client
from typing import Final

from ostiary.app.health import READY
from ostiary.settings import Settings

PATIENCE: Final = 5  # seconds
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


def is_ready(settings: Settings) -> bool:
    """Ask over HTTP; anything but 200 is no."""
    address = settings.listen.http
    host = _ANY.get(address.host, address.host)
    connection = http.client.HTTPConnection(host, address.port, timeout=PATIENCE)
    try:
        connection.request("GET", settings.web.path.rstrip("/") + READY)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
