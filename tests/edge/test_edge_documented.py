"""The nginx of docs/how-to/behind-a-proxy.md, word for word, before a running server (A75)."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator

import httpx2 as httpx
import pytest
from edge_nginx import NAME, ROOT, nginx, replaced
from live import Server
from support.ports import free_port
from support.waiting import wait_until

PAGE = ROOT / "docs" / "how-to" / "behind-a-proxy.md"
FORGED = {
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https, http",
    "X-Forwarded-For": "127.0.0.1",
}


@pytest.fixture(scope="module")
def proxied(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run nginx with the block of the page and return its address."""
    folder = tmp_path_factory.mktemp("documented")
    found = re.search(r"```nginx\n# nginx\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    port = free_port()
    block = replaced(found[1], {"127.0.0.1:9000": f"127.0.0.1:{server.port}"})
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}error_log {folder}/error.log;pid {folder}/pid;events {{}}http {{{temporary}access_log off;"
        f"server {{listen 127.0.0.1:{port};server_name {NAME};\n{block}}}}}"
    )
    process = subprocess.Popen([nginx(), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"])
    url = f"http://127.0.0.1:{port}"
    error = folder / "error.log"
    wait_until(
        lambda: httpx.get(f"{url}/-/health/live/").status_code == 200,
        what=lambda: error.read_text() if error.exists() else "",
        process=process,
    )
    yield url
    process.terminate()
    process.wait(30)


def test_a75_a_stranger_does_not_name_the_host_through_it(proxied: str) -> None:
    path = "/application/o/machines/.well-known/openid-configuration"
    for forged in ({}, FORGED):
        answer = httpx.get(proxied + path, headers={"Host": NAME, **forged})
        assert answer.json()["issuer"] == f"http://{NAME}/application/o/machines/"
    assert httpx.get(proxied + path, headers={"Host": "evil.example", **FORGED}).status_code == 421
