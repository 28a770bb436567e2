"""curl: machines that act as themselves, and devices without a browser of their own."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
import pytest
from live import Server
from party_blueprint import SECRET
from party_people import Owner, expire_sessions, leave

pytestmark = pytest.mark.party
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass
class Curl:
    """One client's addresses, and curl."""

    known: dict[str, Any]
    status: int = 0
    shown: str = ""

    def post(self, endpoint: str, *options: str, **form: str) -> dict[str, Any]:
        """Post a form; keep the status; return the JSON."""
        fields = [part for name, value in form.items() for part in ("--data-urlencode", f"{name}={value}")]
        return self._run("--request", "POST", *options, *fields, self.known[endpoint])

    def get(self, url: str, *options: str) -> dict[str, Any]:
        return self._run(*options, url)

    def _run(self, *arguments: str) -> dict[str, Any]:
        program = shutil.which("curl")
        assert program, "curl is missing: apt-get install curl"
        command = [program, "--silent", "--show-error", "--max-time", "20", "--write-out", "\n%{http_code}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        self.shown, _, status = done.stdout.rpartition("\n")
        self.status = int(status)
        return json.loads(self.shown) if self.shown else {}

    def userinfo(self, token: str) -> dict[str, Any]:
        return self.get(self.known["userinfo_endpoint"], "--header", f"Authorization: Bearer {token}")


@pytest.fixture
def curl(server: Server) -> Curl:
    return Curl(httpx.get(f"{server.url}/application/o/plain/.well-known/openid-configuration").json())


@pytest.fixture
def native(server: Server) -> Curl:
    return Curl(httpx.get(f"{server.url}/application/o/native/.well-known/openid-configuration").json())


class TestAsItself:
    @pytest.mark.parametrize("basic", [True, False])
    def test_a_token(self, curl: Curl, basic: bool) -> None:
        told = curl.post(
            "token_endpoint", *(["--user", f"plain:{SECRET}"] if basic else []), **credentials(basic=basic)
        )
        assert curl.status == 200, told
        assert (told["token_type"], told["scope"], told["expires_in"]) == ("Bearer", "openid profile", 3600)
        assert "refresh_token" not in told
        assert curl.userinfo(told["access_token"])["preferred_username"] == "ak-plain-client_credentials"

    def test_a_wrong_secret(self, curl: Curl) -> None:
        told = curl.post("token_endpoint", "--user", "plain:not-this-one", grant_type="client_credentials")
        assert (curl.status, told["error"]) == (401, "invalid_client")
        assert told["error_description"]
        assert told["request_id"]

    def test_no_secret(self, native: Curl) -> None:
        told = native.post("token_endpoint", client_id="native", grant_type="client_credentials")
        assert (native.status, told["error"]) == (400, "unauthorized_client")

    def test_a_revoked_token(self, curl: Curl) -> None:
        token = curl.post("token_endpoint", "--user", f"plain:{SECRET}", **credentials())["access_token"]
        curl.post("revocation_endpoint", "--user", f"plain:{SECRET}", token=token)
        assert curl.status == 200
        curl.userinfo(token)
        assert curl.status == 401
        assert curl.post("introspection_endpoint", "--user", f"plain:{SECRET}", token=token) == {"active": False}


def credentials(*, basic: bool = True) -> dict[str, str]:
    form = {"grant_type": "client_credentials", "scope": "openid profile"}
    return form if basic else {**form, "client_id": "plain", "client_secret": SECRET}


def begin(curl: Curl, client: str = "native", scope: str = "openid profile offline_access") -> dict[str, Any]:
    begun = curl.post("device_authorization_endpoint", client_id=client, scope=scope)
    assert curl.status == 200, begun
    return begun


def poll(curl: Curl, begun: dict[str, Any], client: str = "native", *options: str) -> dict[str, Any]:
    return curl.post("token_endpoint", *options, grant_type=DEVICE, client_id=client, device_code=begun["device_code"])


class TestDevice:
    @pytest.mark.parametrize("typed", [False, True])
    def test_a_code_on_another_screen(self, native: Curl, owner: Owner, typed: bool) -> None:
        begun = begin(native)
        if typed:
            assert poll(native, begun)["error"] == "authorization_pending"
            assert native.status == 400
        owner.allow(begun, typed=typed)
        assert "ak-stage-consent" in owner.seen, "a link alone lets no device in"
        if typed:
            time.sleep(begun["interval"])
        told = poll(native, begun)
        assert native.status == 200, told
        assert native.userinfo(told["access_token"])["preferred_username"] == "ada"
        fresh = native.post(
            "token_endpoint", client_id="native", grant_type="refresh_token", refresh_token=told["refresh_token"]
        )
        assert native.userinfo(fresh["access_token"])["preferred_username"] == "ada"

    def test_polling_too_fast(self, native: Curl) -> None:
        begun = begin(native)
        errors = [poll(native, begun)["error"] for _ in range(3)]
        assert errors[0] == "authorization_pending"
        assert "slow_down" in errors

    def test_a_code_that_was_redeemed(self, native: Curl, owner: Owner) -> None:
        begun = begin(native)
        owner.allow(begun)
        assert "access_token" in poll(native, begun)
        assert poll(native, begun)["error"] == "invalid_grant"
        assert native.status == 400

    def test_a_code_of_nobody(self, native: Curl, owner: Owner) -> None:
        assert poll(native, {"device_code": "x" * 128})["error"] == "invalid_grant"
        begun = begin(native)
        with pytest.raises(AssertionError, match="No device is waiting"):
            owner.allow({**begun, "user_code": "100000001"}, typed=True)
        assert poll(native, begun)["error"] == "authorization_pending"

    def test_a_wrong_secret(self, curl: Curl, owner: Owner) -> None:
        begun = begin(curl, "plain")
        owner.allow(begun)
        told = poll(curl, begun, "plain", "--data-urlencode", "client_secret=not-this-one")
        assert (curl.status, told["error"]) == (401, "invalid_client")
        assert "access_token" in poll(curl, begun, "plain", "--data-urlencode", f"client_secret={SECRET}")

    def test_an_ended_session(self, native: Curl, owner: Owner) -> None:
        begun = begin(native, scope="openid profile")
        owner.allow(begun)
        leave(owner)
        assert poll(native, begun)["error"] == "invalid_grant"
        assert native.status == 400

    def test_an_expired_session(self, server: Server, native: Curl, owner: Owner) -> None:
        owner.get(f"{server.url}/if/user/")
        expire_sessions(server)
        owner.seen.clear()
        begun = begin(native)
        owner.allow(begun)
        assert "ak-stage-identification" in owner.seen, "an old session lets no device in"
        assert "access_token" in poll(native, begun)
