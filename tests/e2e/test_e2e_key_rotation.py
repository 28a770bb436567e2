"""`ostiary keys rotate` while a server answers: clients that keep the keys they have read never meet a bad token."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx2 as httpx
from joserfc import jwt
from joserfc.jwk import KeySet, KeySetSerialization
from live import Server, client
from support.waiting import wait_until

PAUSE = 2.0  # seconds a patient client waits before it reads the keys again
BLUEPRINT = """
version: 1
metadata: {name: rotation}
entries:
  - model: authentik_providers_oauth2.oauth2provider
    id: provider
    identifiers: {name: Robot}
    attrs:
      authorization_flow: !Find [authentik_flows.flow, [slug, default-provider-authorization-implicit-consent]]
      invalidation_flow: !Find [authentik_flows.flow, [slug, default-provider-invalidation-flow]]
      client_id: robot
      client_secret: robot-secret-for-tests-of-the-rotation
      redirect_uris: [{matching_mode: strict, url: "http://localhost:9/cb"}]
      property_mappings:
        - !Find [authentik_providers_oauth2.scopemapping, [scope_name, openid]]
      signing_key: !Find [authentik_crypto.certificatekeypair, [name, authentik Self-signed Certificate]]
  - model: authentik_core.application
    identifiers: {slug: robot}
    attrs: {name: Robot, provider: !KeyOf provider}
"""


@dataclass
class Verifier:
    """Verifies as libraries do: keeps the keys, and reads them again for an unknown kid, but not too often."""

    fetch: Callable[[], dict[str, Any]]
    pause: float  # seconds between two readings
    keys: dict[str, Any] = field(default_factory=dict)
    read: float = -1e9

    def verify(self, token: str) -> str:
        kid = _kid(token)
        if kid not in self.keys and time.monotonic() - self.read >= self.pause:
            self.keys, self.read = {key["kid"]: key for key in self.fetch()["keys"]}, time.monotonic()
        found = self.keys[kid]  # a KeyError is what the client's user would see
        jwt.decode(token, KeySet.import_key_set({"keys": [found]}), algorithms=[found.get("alg", "RS256")])
        return kid


def _kid(token: str) -> str:
    head = token.split(".", maxsplit=1)[0]
    return str(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"])


def _token(http: httpx.Client, server: Server) -> str:
    form = {"grant_type": "client_credentials", "scope": "openid"}
    answer = http.post(
        f"{server.url}/application/o/token/", data=form, auth=("robot", "robot-secret-for-tests-of-the-rotation")
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def test_a_rotation_without_one_failed_verification(
    make_server: Any, new_storage: Callable[[], dict[str, str]], tmp_path: Path
) -> None:
    server = make_server(**new_storage()).start()
    file = tmp_path / "rotation.yaml"
    file.write_text(BLUEPRINT)
    server.cli("blueprint", "apply", str(file))
    http = client()
    wait_until(lambda: http.get(f"{server.url}/application/o/robot/jwks/").status_code == 200)

    def fetch() -> dict[str, Any]:
        with httpx.Client(timeout=20) as own:
            return dict(own.get(f"{server.url}/application/o/robot/jwks/").json())

    at_once, patient = Verifier(fetch, 0), [Verifier(fetch, PAUSE)]
    before = _token(http, server)
    kids: list[str] = []
    failures: list[str] = []
    over = threading.Event()

    def work() -> None:
        with httpx.Client(timeout=20) as own:
            while not over.is_set():
                token = _token(own, server)
                if time.monotonic() - patient[-1].read > PAUSE / 8:  # somebody else has just read the keys
                    patient.append(Verifier(fetch, PAUSE))
                for verifier in (at_once, *patient[-16:]):
                    try:
                        kids.append(verifier.verify(token))
                    except Exception as error:
                        failures.append(f"{verifier.pause}: {type(error).__name__} {error}")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        time.sleep(0.5)
        for number, algorithm in enumerate(("", "ES256"), start=2):
            options = ["--algorithm", algorithm] if algorithm else []
            told = server.cli("keys", "rotate", "Robot", "--wait", "4", *options).stdout
            assert "Robot signs with authentik Self-signed Certificate (rotated " in told
            wait_until(
                partial(lambda wanted: len(set(kids)) >= wanted, number)
            )  # the server reads the change, then signs
    finally:
        over.set()
        thread.join()
    assert failures == []
    assert len(dict.fromkeys(kids)) == 3
    assert len(kids) > 50
    jwt.decode(
        before, KeySet.import_key_set(cast("KeySetSerialization", fetch())), algorithms=["RS256"]
    )  # by somebody who has read nothing yet
    assert server.cli("keys", "retire").stdout == "nothing to retire\n"


def test_what_is_told_of_a_wrong_name(make_server: Any) -> None:
    server = make_server()
    server.cli("migrate")
    done = server.cli("keys", "rotate", "nobody", check=False)
    assert done.returncode == 1
    assert done.stderr == "ostiary: there is neither a provider nor a certificate-key pair named nobody\n"
    done = server.cli("keys", "rotate", "nobody", "--algorithm", "HS512", check=False)
    assert "HS512 is no algorithm for a key, expected RS256," in done.stderr
