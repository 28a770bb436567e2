"""A job of a forge gets a token at a running server, as curl would: the forge is a second server with keys."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from live import Server, client

sys.path.insert(0, str(Path(__file__).parents[1] / "oauth2"))

import httpx2 as httpx
from oauth2_client_keys import Key
from support.waiting import wait_until

BLUEPRINT = """
version: 1
metadata: {name: Forge}
entries:
  - model: authentik_sources_oauth.oauthsource
    id: forge
    identifiers: {slug: forge}
    attrs:
      name: Forge
      provider_type: openidconnect
      consumer_key: us
      consumer_secret: known to both
      oidc_well_known_url: FORGE/.well-known/openid-configuration
  - model: authentik_providers_oauth2.oauth2provider
    id: provider
    identifiers: {name: Deploy}
    attrs:
      authorization_flow: !Find [authentik_flows.flow, [slug, default-provider-authorization-implicit-consent]]
      invalidation_flow: !Find [authentik_flows.flow, [slug, default-provider-invalidation-flow]]
      client_id: deploy
      redirect_uris: []
      signing_key: !Find [authentik_crypto.certificatekeypair, [name, authentik Self-signed Certificate]]
      property_mappings:
        - !Find [authentik_providers_oauth2.scopemapping, [scope_name, openid]]
        - !Find [authentik_providers_oauth2.scopemapping, [scope_name, profile]]
      jwt_federation_sources: [!KeyOf forge]
  - model: authentik_core.application
    identifiers: {slug: deploy}
    attrs: {name: Deploy, provider: !KeyOf provider}
"""


@pytest.fixture
def forge() -> Iterator[tuple[str, Key]]:
    key = Key("rsa")

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = f"http://127.0.0.1:{self.connection.getsockname()[1]}"
            documents = {
                "/.well-known/openid-configuration": {"issuer": url, "jwks_uri": f"{url}/jwks"},
                "/jwks": {"keys": [{**key.jwk, "kid": "k", "use": "sig"}]},
            }
            body = json.dumps(documents[self.path]).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", key
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_job_of_a_forge(server: Server, forge: tuple[str, Key]) -> None:
    url, key = forge
    path = server.folder / "forge.yaml"
    path.write_text(BLUEPRINT.replace("FORGE", url))
    server.cli("blueprint", "apply", str(path))
    assert "no changes" in server.cli("blueprint", "check", str(path)).stdout
    now = int(time.time())
    claims = {"iss": url, "sub": "repo:house/wiki", "aud": "deploy", "iat": now, "exp": now + 300}
    form = {
        "grant_type": "client_credentials",
        "client_id": "deploy",
        "scope": "openid profile",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }
    web = client()

    def accepted() -> httpx.Response | None:
        token = key.sign({"alg": "RS256", "typ": "JWT", "kid": "k"}, claims)
        given = web.post(f"{server.url}/application/o/token/", data={**form, "client_assertion": token})
        return given if given.status_code == 200 else None

    answer = wait_until(accepted)  # protocols may lag behind the configuration by a second
    assert answer is not None
    assert 0 < answer.json()["expires_in"] <= 301
    bearer = {"authorization": f"Bearer {answer.json()['access_token']}"}
    person = web.get(f"{server.url}/application/o/userinfo/", headers=bearer).json()
    assert person["preferred_username"] == "Deploy-repo:house/wiki"
    stranger = Key("rsa").sign({"alg": "RS256", "typ": "JWT", "kid": "k"}, claims)
    refused = web.post(f"{server.url}/application/o/token/", data={**form, "client_assertion": stranger})
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    lines = [line for line in server.log().splitlines() if refused.json()["request_id"] in line]
    assert any("no key made this signature" in line for line in lines), lines
