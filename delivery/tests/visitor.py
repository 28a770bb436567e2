"""A person who meets a fresh installation: finishes the wizard, then signs in to an application.

The application is the example of `make demo`: discovery, authorization code with PKCE (RFC 7636), the ID token verified
against the published keys, userinfo. The person answers the same challenges that the pages do.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import ssl
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode, urlsplit

from real_images import REPOSITORY
from support.ports import free_port
from support.waiting import wait_until

PASSWORD = "a quiet enough password"


def load(path: Path) -> ModuleType:
    """Import one file of the repository that no package holds."""
    if path.stem not in sys.modules:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[path.stem] = made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
    return sys.modules[path.stem]


def live() -> ModuleType:
    return load(REPOSITORY / "tests/e2e/live.py")


class House:
    """Where a fresh Ostiary and the application will be, and what both must know before they start."""

    def __init__(self) -> None:
        self.port, self.tls, self.metrics, self.application = (free_port() for _ in range(4))
        self.url = f"http://localhost:{self.port}"
        self.secret = "a secret of the application, long enough"

    @property
    def server(self) -> dict[str, str]:
        return {
            "OSTIARY_LISTEN__HTTP": f"127.0.0.1:{self.port}",
            "OSTIARY_LISTEN__HTTPS": f"127.0.0.1:{self.tls}",
            "OSTIARY_LISTEN__METRICS": f"127.0.0.1:{self.metrics}",
            "DEMO_URL": f"http://localhost:{self.application}",
            "DEMO_PASSWORD": PASSWORD,
            "DEMO_CLIENT_SECRET": self.secret,
        }

    def blueprints(self, folder: Path) -> Path:
        """Make a folder with the blueprint of `make demo`, for everybody to read."""
        folder.mkdir(mode=0o755)
        (folder / "demo.yaml").write_bytes((REPOSITORY / "examples/demo/blueprint.yaml").read_bytes())
        (folder / "demo.yaml").chmod(0o644)
        return folder

    def ready(self) -> None:
        wait_until(lambda: get(f"{self.url}/-/health/ready/")[0] == 200)


def get(url: str) -> tuple[int, str]:
    """GET without following what is not ours to judge; a certificate of nobody is taken."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with urllib.request.urlopen(url, timeout=10, context=context if url.startswith("https:") else None) as answer:
        return answer.status, answer.read().decode()


def finish_wizard(house: House, link: str) -> None:
    """Answer the first-run wizard; whoever did is akadmin, and the door is shut behind."""
    person = live().Person(house.url)
    page = person.client.get(link, follow_redirects=True)
    assert (page.status_code, "<html" in page.text) == (200, True)
    query = {"query": urlsplit(link).query}
    executor = f"{house.url}/api/v3/flows/executor/initial-setup/?{urlencode(query)}"
    challenge = person._follow(person.client.get(executor))
    assert challenge["component"] == "ak-stage-prompt", challenge
    values = {"email": "root@example.org", "password": PASSWORD, "password_repeat": PASSWORD}
    finished = person._follow(person.client.post(executor, json={"component": "ak-stage-prompt", **values}))
    assert finished["component"] == "xak-flow-redirect", finished
    me = person.client.get(f"{house.url}/api/v3/core/users/me/").json()["user"]
    assert (me["username"], me["is_superuser"]) == ("akadmin", True)
    stranger = live().Person(house.url)
    answer = stranger._follow(stranger.client.get(executor))
    assert answer["component"] == "ak-stage-access-denied"


def sign_in(house: House) -> dict[str, Any]:
    """Sign in to the application as the blueprint's Ada; returns the claims it verified."""
    person = live().Person(house.url, "ada", PASSWORD)
    with application(house) as (where, sessions):
        page = person.get(f"{where}/login")
        assert "Hello, Ada Lovelace" in page.text, page.text
        assert person.seen[:1] == ["ak-stage-identification"]
        found = [one["claims"] for one in sessions.values() if "claims" in one]
    assert len(found) == 1
    assert found[0]["iss"] == f"{house.url}/application/o/demo/"
    assert found[0]["email"] == "ada@example.org"
    return dict(found[0])


def close() -> None:
    """Close what the persons opened: a socket left open is a warning, and a warning is an error."""
    while live().OPEN:
        live().OPEN.pop().close()


@contextlib.contextmanager
def application(house: House) -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    """Run the example application, as soon as the worker has applied the blueprint it is declared in."""
    issuer = f"{house.url}/application/o/demo/"
    wait_until(lambda: json.loads(get(f"{issuer}.well-known/openid-configuration")[1])["issuer"] == issuer)
    made = load(REPOSITORY / "examples/demo/party.py").make(
        port=house.application, issuer=issuer, client_secret=house.secret
    )
    threading.Thread(target=made.serve_forever, daemon=True).start()
    try:
        yield made.base_url, made.sessions
    finally:
        made.shutdown()
        made.server_close()
