"""Apache with mod_auth_openidc, as Debian ships it, signs a person in: a relying party nobody here wrote."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from live import Person, Server
from support.ports import free_port
from support.waiting import wait_until

pytestmark = pytest.mark.party

MODULES = ("mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc", "headers", "dir", "alias", "unixd")


def _modules() -> str:
    folder = Path("/usr/lib/apache2/modules")
    lines = [
        f"LoadModule {name}_module {folder}/mod_{name}.so" for name in MODULES if (folder / f"mod_{name}.so").exists()
    ]
    return "\n".join(lines)


def _configuration(root: Path, port: int, server: Server) -> str:
    user = "User www-data\nGroup www-data" if os.getuid() == 0 else ""
    return f"""
ServerRoot {root}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {root}/apache.pid
ErrorLog {root}/error.log
LogLevel warn auth_openidc:info
DefaultRuntimeDir {root}
{_modules()}
{user}
DocumentRoot {root}/site
OIDCProviderMetadataURL {server.url}/application/o/apache/.well-known/openid-configuration
OIDCClientID apache
OIDCClientSecret apache-secret-for-tests
OIDCRedirectURI http://localhost:{port}/protected/callback
OIDCCryptoPassphrase a-passphrase-for-this-test-only
OIDCScope "openid email profile"
OIDCPKCEMethod S256
OIDCResponseType code
OIDCSSLValidateServer Off
OIDCCookieSameSite On
<Location /protected>
  AuthType openid-connect
  Require valid-user
  Header set X-Claim-Sub "%{{OIDC_CLAIM_sub}}e"
  Header set X-Claim-Email "%{{OIDC_CLAIM_email}}e"
  Header set X-Claim-Name "%{{OIDC_CLAIM_preferred_username}}e"
  Header set X-Claim-Groups "%{{OIDC_CLAIM_groups}}e"
</Location>
"""


@pytest.fixture(scope="module")
def apache(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = shutil.which("apache2") or "/usr/sbin/apache2"
    assert Path(program).exists(), "needs Apache: apt-get install apache2 libapache2-mod-auth-openidc"
    root = tmp_path_factory.mktemp("apache")
    port = free_port()
    site = root / "site" / "protected"
    site.mkdir(parents=True)
    (site / "index.html").write_text("behind the door")
    for folder in (root, *root.parents):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(0o755)  # Apache's own user must reach it
    if os.getuid() == 0:
        account = pwd.getpwnam("www-data")
        os.chown(root, account.pw_uid, account.pw_gid)
    (root / "apache.conf").write_text(_configuration(root, port, server))
    with (root / "out.log").open("wb") as out:
        process = subprocess.Popen([program, "-f", str(root / "apache.conf"), "-DFOREGROUND"], stdout=out, stderr=out)
    try:
        _wait(f"http://localhost:{port}/", process, root)
        yield f"http://localhost:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait(url: str, process: subprocess.Popen[bytes], root: Path) -> None:
    def logs() -> str:
        return (root / "out.log").read_text() + (root / "error.log").read_text()

    wait_until(lambda: httpx.get(url, timeout=5).status_code, what=logs, process=process)


def test_a_person_reaches_the_protected_page(server: Server, apache: str) -> None:
    person = Person(server.url, "ada", "correct horse battery")
    page = person.get(f"{apache}/protected/")
    assert page.status_code == 200, page.text
    assert page.text == "behind the door"
    assert page.headers["x-claim-name"] == "ada"
    assert page.headers["x-claim-email"] == "ada@example.org"
    assert page.headers["x-claim-groups"] == "apache-people"
    assert len(page.headers["x-claim-sub"]) == 64
    assert person.seen[:2] == ["ak-stage-identification", "ak-stage-password"]


def test_a_second_visit_needs_no_sign_in(server: Server, apache: str) -> None:
    person = Person(server.url, "ada", "correct horse battery")
    person.get(f"{apache}/protected/")
    answered = list(person.seen)
    person.client.cookies.delete("mod_auth_openidc_session")
    assert person.get(f"{apache}/protected/").text == "behind the door"
    assert person.seen == answered


def test_a_person_outside_the_group_is_refused(server: Server, apache: str) -> None:
    person = Person(server.url, "eve", "correct horse battery")
    page = person.get(f"{apache}/protected/")
    assert str(page.url).startswith(server.url)
    assert "behind the door" not in page.text
    assert "No access" in page.text
